/** What is used of dcmjs, which comes without types. */
declare module 'dcmjs' {
  interface DicomDict {
    dict: object;
    write(): ArrayBuffer;
  }
  const dcmjs: {
    readonly data: {
      readonly DicomDict: new (meta: object) => DicomDict;
      readonly DicomMessage: { readFile(bytes: ArrayBuffer): { readonly dict: object } };
      readonly DicomMetaDictionary: {
        readonly dictionary: Readonly<Record<string, { readonly vr: string } | undefined>>;
        readonly nameMap: Readonly<
          Record<string, { readonly tag: string; readonly vr: string; readonly name: string }>
        >;
        naturalizeDataset(dict: object): object;
        denaturalizeDataset(dataSet: object): object;
      };
    };
  };
  export default dcmjs;
}
