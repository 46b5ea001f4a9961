declare module 'dcmjs' {
  interface NamedElement {
    readonly tag: string;
    readonly vr: string;
    readonly name: string;
  }
  const dcmjs: {
    readonly log: { setLevel(level: string): void };
    readonly data: {
      readonly DicomMetaDictionary: { readonly nameMap: Readonly<Record<string, NamedElement>> };
    };
  };
  export default dcmjs;
}
