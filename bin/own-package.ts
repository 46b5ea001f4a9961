import * as nodeModule from 'node:module';

/** As Node's hooks know it; the answer is passed on as it is. */
type Resolve = (
  specifier: string,
  context: Readonly<Record<string, unknown>>,
  next: (specifier: string, context: Readonly<Record<string, unknown>>) => unknown,
) => unknown;

/**
 * Has `pixl-imaging/core` and the like mean this program's own parts, also in a module that lies where no such package is
 * installed, and where another version is: an error of ours that it throws has to be of the class that we know.
 *
 * A hook of Node's, which is also this module's export for the thread in which Node.js 20 runs it.
 */
export const resolve: Resolve = (specifier, context, next) =>
  next(
    specifier,
    /^pixl-imaging(\/|$)/.test(specifier) ? { ...context, parentURL: import.meta.url } : context,
  );

/** From now on, for all that is loaded. */
export function offerOwnPackage(): void {
  // Newer versions have hooks in the same thread, and will drop the other kind.
  const { registerHooks } = nodeModule as {
    registerHooks?: (hooks: { readonly resolve: Resolve }) => unknown;
  };
  if (registerHooks !== undefined) registerHooks({ resolve });
  else nodeModule.register(import.meta.url);
}
