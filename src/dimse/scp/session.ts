import { describeError } from '../../core/errors.js';
import { AssociationEndedError } from '../errors.js';
import type { Association } from '../association.js';
import type { MessageEvent } from '../message/assembler.js';
import { Status } from '../message/status.js';
import {
  isStorageClass,
  PATIENT_ROOT_FIND,
  PATIENT_ROOT_GET,
  PATIENT_ROOT_MOVE,
  STUDY_ROOT_FIND,
  STUDY_ROOT_GET,
  STUDY_ROOT_MOVE,
  VERIFICATION,
} from '../sop-classes.js';
import type { NodeRight } from './callers.js';
import type { Place } from './connections.js';
import { findScp } from './c-find-scp.js';
import { getScp } from './c-get-scp.js';
import { moveScp } from './c-move-scp.js';
import { storeScp } from './c-store-scp.js';
import type { NodeParts, RequestType } from './operation.js';

/** Who asks on an association, and what was negotiated with them. */
export interface Requestor {
  readonly callingAeTitle: string;
  /** Which software it is (PS3.7 D.3.3.2). */
  readonly implementationClassUid: string;
  /** What they may; contexts of what they may not were refused. */
  readonly rights: ReadonlySet<NodeRight>;
  readonly scpClasses: ReadonlySet<string>;
}

/** The abstract syntaxes of a context in which a request may come. */
const SERVICES: Readonly<Record<RequestType, (abstractSyntax: string) => boolean>> = {
  'C-ECHO-RQ': (uid) => uid === VERIFICATION,
  'C-STORE-RQ': isStorageClass,
  'C-FIND-RQ': (uid) => uid === PATIENT_ROOT_FIND || uid === STUDY_ROOT_FIND,
  'C-MOVE-RQ': (uid) => uid === PATIENT_ROOT_MOVE || uid === STUDY_ROOT_MOVE,
  'C-GET-RQ': (uid) => uid === PATIENT_ROOT_GET || uid === STUDY_ROOT_GET,
};

type Request = Extract<MessageEvent, { kind: 'command' }>;

/** The work of one association: requests are taken one at a time until the requestor ends it, or has to be cut off. */
export class Session {
  readonly #association: Association;
  readonly #requestor: Requestor;
  readonly #place: Place;
  readonly #parts: NodeParts;
  #isStopping = false;
  #images = 0;
  #bytes = 0;

  constructor(association: Association, requestor: Requestor, place: Place, parts: NodeParts) {
    this.#association = association;
    this.#requestor = requestor;
    this.#place = place;
    this.#parts = parts;
  }

  /** Resolves when the association is over, however it ended. */
  async run(): Promise<void> {
    const { log, timeouts } = this.#parts;
    const startedAt = performance.now();
    let trouble: unknown = null;
    try {
      while (!this.#isStopping) {
        const request = await this.#association.receiveCommand('request', timeouts.idleMs);
        this.#place.idleSince = null;
        await this.#perform(request);
        this.#place.idleSince = performance.now();
      }
    } catch (error) {
      if (!(error instanceof AssociationEndedError)) trouble = error;
    }
    await this.#association.abort();
    const fields = {
      node: this.#association.peer,
      images: this.#images,
      bytes: this.#bytes,
      ms: Math.round(performance.now() - startedAt),
    };
    if (trouble === null) log.info(fields, 'association ended');
    else log.warn({ ...fields, reason: describeError(trouble) }, 'association broken off');
  }

  /** Ends the association when the request that is being worked on is done. Never throws. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#place.idleSince !== null) await this.abort();
  }

  /** Ends the association now. Never throws. */
  async abort(): Promise<void> {
    await this.#association.abort(new AssociationEndedError(this.#association.peer, 'ended: the node stops'));
  }

  async #perform({ command: request, presentationContextId, hasDataSet }: Request): Promise<void> {
    const association = this.#association;
    const context = association.contextOf(presentationContextId);
    const operation = { association, context, parts: this.#parts, ...this.#requestor };
    if (request.type === 'C-CANCEL-RQ') return; // it came too late; what it was for has ended
    if (!('messageId' in request))
      throw association.protocolError(`${request.type} where a request was to come`);
    if (hasDataSet !== (request.type !== 'C-ECHO-RQ'))
      throw association.protocolError(`${request.type} ${hasDataSet ? 'with' : 'without'} a data set`);
    if (!SERVICES[request.type](context.abstractSyntax))
      throw association.protocolError(`${request.type} in a context that is not for it`);
    if (request.type === 'C-STORE-RQ') {
      const bytes = await storeScp({ ...operation, request });
      if (bytes === null) return;
      this.#images += 1;
      this.#bytes += bytes;
      return;
    }
    if (context.abstractSyntax !== request.affectedSopClassUid)
      throw association.protocolError(`${request.type} of another SOP class than its context`);
    switch (request.type) {
      case 'C-ECHO-RQ':
        return association.sendCommand(
          context.id,
          {
            type: 'C-ECHO-RSP',
            messageIdBeingRespondedTo: request.messageId,
            affectedSopClassUid: request.affectedSopClassUid,
            status: Status.Success,
          },
          false,
        );
      case 'C-FIND-RQ':
        return findScp({ ...operation, request });
      case 'C-MOVE-RQ':
        return moveScp({ ...operation, request });
      case 'C-GET-RQ':
        return getScp({ ...operation, request });
    }
  }
}
