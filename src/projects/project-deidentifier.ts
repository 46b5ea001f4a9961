import {
  allowListProfile,
  basicProfile,
  type Deidentifier,
  type Identity,
  type InstanceHead,
  type InstanceRules,
  type Profile,
} from '../deidentify/index.js';
import type { Project } from './project.js';
import { judgeSeries } from './series-rules.js';

/** How a project's instances are de-identified, but for the pseudonyms. */
export type ProjectDeidentifier = Required<Pick<Deidentifier, 'profileFor' | 'rulesFor'>>;

/** What a project's file says, as rules for the de-identifier. */
export function projectDeidentifier(project: Project): ProjectDeidentifier {
  const profileFor = profilesOf(project);
  const rules: InstanceRules = {
    allowedSopClasses: project.deidentify.allowSopClasses,
    excludedBy: (head) => excludedBy(head, project),
    scrub: { outsideRegions: project.deidRecipes.length > 0, rectangles: project.deidentify.scrub },
  };
  return { profileFor, rulesFor: () => rules };
}

/**
 * The Basic Profile for every instance, where no project says otherwise.
 *
 * @param allowedSopClasses are taken although their kind is left out
 * @throws InvalidValueError for options that do not fit together
 */
export function basicDeidentifier(
  options: Parameters<typeof basicProfile>[0],
  allowedSopClasses: readonly string[],
): ProjectDeidentifier {
  const profile = basicProfile(options);
  const rules: InstanceRules = { allowedSopClasses: new Set(allowedSopClasses) };
  return { profileFor: () => profile, rulesFor: () => rules };
}

function profilesOf({ deidentify, allowList }: Project): (identity: Identity) => Profile {
  if (deidentify.profile === 'pixl') return ({ manufacturer }) => allowListProfile(allowList, manufacturer);
  const profile = basicProfile(deidentify);
  return () => profile;
}

/** An instance is asked for what it says; how many its series has it does not know. */
function excludedBy(head: InstanceHead, project: Project): string | null {
  const verdict = judgeSeries({ ...head, instances: null }, project);
  return verdict.kind === 'excluded' ? verdict.rule : null;
}
