/** placeholder until the branch that has it is merged */
export async function* withProjectTag(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
  projectName: string,
): AsyncGenerator<Buffer, void, undefined> {
  void transferSyntax;
  void projectName;
  yield* dataSet;
}
