import { DatabaseError, DatabaseUnavailableError } from '../core/db/index.js';
import { describeError, InternalError, InvalidValueError } from '../core/errors.js';
import type { Logger } from '../core/log.js';
import {
  deidentify,
  InstanceExcludedError,
  type Deidentifier,
  type Identity,
  type InstanceRules,
  type Pseudonym,
} from '../deidentify/index.js';
import {
  DataSetDeflateError,
  DataSetHeadError,
  exclusionComment,
  InstanceRefusedError,
  Status,
  tagText,
  type DicomFile,
  type InstanceStore,
  type ReceivedInstance,
  type StoredInstance,
} from '../dimse/index.js';
import { ProjectFileError } from '../projects/index.js';
import type { KnownPseudonyms } from './known-pseudonyms.js';
import type { ProjectRules, RulesOfProjects } from './project-rules.js';

/**
 * A store that holds de-identified instances alone: what comes is rewritten as it goes by, before a byte of it is handed to the
 * store behind, which knows it by its new UIDs and never hears of the old ones.
 */
export class DeidentifyingStore implements InstanceStore {
  readonly #store: InstanceStore;
  readonly #rules: RulesOfProjects;
  readonly #known: KnownPseudonyms;
  readonly #log: Logger;

  constructor(store: InstanceStore, rules: RulesOfProjects, known: KnownPseudonyms, log: Logger) {
    this.#store = store;
    this.#rules = rules;
    this.#known = known;
    this.#log = log;
  }

  get index(): InstanceStore['index'] {
    return this.#store.index;
  }

  /**
   * @throws InstanceRefusedError with the status to answer, InstanceExcluded when a rule leaves the instance out; what the data
   *   set throws. Nothing is left behind then.
   */
  async store(received: ReceivedInstance): Promise<StoredInstance> {
    const { sopClassUid, transferSyntaxUid, dataSet } = received;
    try {
      const deidentifier = new OneInstance(received, this.#rules, this.#known);
      const instance = await deidentify(dataSet, transferSyntaxUid, deidentifier);
      const { sopInstanceUid } = instance;
      // Who sent it may tell where it was made: its file does not say.
      const stored = await this.#store.store({
        ...{ sopClassUid, transferSyntaxUid, sopInstanceUid },
        dataSet: instance.dataSet,
      });
      this.#tell(instance.residuals);
      return stored;
    } catch (error) {
      throw this.#asRefusal(error);
    }
  }

  open(instance: StoredInstance): Promise<DicomFile> {
    return this.#store.open(instance);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #tell(residuals: ReadonlyMap<number, number>): void {
    if (residuals.size === 0) return;
    const counts = Object.fromEntries([...residuals].map(([tag, count]) => [tagText(tag), count]));
    this.#log.info(
      { operation: 'de-identify', residuals: counts },
      "the patient's values were replaced in text",
    );
  }

  #asRefusal(error: unknown): unknown {
    if (error instanceof InstanceExcludedError)
      return new InstanceRefusedError(Status.InstanceExcluded, exclusionComment(error.rule), error);
    if (error instanceof DataSetHeadError || error instanceof DataSetDeflateError)
      return new InstanceRefusedError(Status.CannotUnderstand, error.problem, error);
    if (error instanceof InvalidValueError)
      return new InstanceRefusedError(Status.CannotUnderstand, 'a value that can not be rewritten', error);
    const trouble =
      error instanceof DatabaseUnavailableError || error instanceof DatabaseError
        ? 'the database can not be asked for pseudonyms'
        : error instanceof ProjectFileError
          ? "the project's file can not be used"
          : null;
    if (trouble === null) return error;
    this.#log.error({ operation: 'de-identify', reason: describeError(error) }, trouble);
    return new InstanceRefusedError(Status.OutOfResources, trouble, error);
  }
}

/** How one instance is de-identified: by the rules of the project that it names. */
class OneInstance implements Deidentifier {
  readonly #received: ReceivedInstance;
  readonly #rules: RulesOfProjects;
  readonly #known: KnownPseudonyms;
  #ofProject: ProjectRules | undefined;

  constructor(received: ReceivedInstance, rules: RulesOfProjects, known: KnownPseudonyms) {
    this.#received = received;
    this.#rules = rules;
    this.#known = known;
  }

  /** Asked first. */
  async rulesFor(identity: Identity): Promise<InstanceRules> {
    checkNames(this.#received, identity);
    this.#ofProject = await this.#rules.of(identity.project);
    return this.#ofProject.rulesFor(identity);
  }

  async pseudonymOf(identity: Identity): Promise<Pseudonym> {
    const { slug, pseudonyms } = this.#project();
    const made = pseudonyms.of(identity);
    const { patientId, accessionNumber, studyInstanceUid } = identity;
    const known = await this.#known.settled(
      { project: slug, patientId, accessionNumber, studyInstanceUid },
      { studyUid: made.uid(studyInstanceUid), patientId: made.patientId },
    );
    return {
      patientId: known.patientId,
      shiftDays: made.shiftDays,
      uid: (original) => (original === studyInstanceUid ? known.studyUid : made.uid(original)),
      hash: (original, digits) => made.hash(original, digits),
    };
  }

  profileFor(identity: Identity): ReturnType<Deidentifier['profileFor']> {
    return this.#project().profileFor(identity);
  }

  #project(): ProjectRules {
    if (this.#ofProject === undefined) throw new InternalError('an instance was not judged by its project');
    return this.#ofProject;
  }
}

/** PS3.4 B.2.3: what the command says must be what the data set says; afterwards nobody could tell. */
function checkNames(received: ReceivedInstance, identity: Identity): void {
  if (identity.sopInstanceUid !== received.sopInstanceUid || identity.sopClassUid !== received.sopClassUid)
    throw new InstanceRefusedError(
      Status.IdentifierDoesNotMatchSopClass,
      'the data set is of another SOP class or instance than the command says',
    );
}
