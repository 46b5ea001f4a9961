/** How we call ourselves, in associations (PS3.7 D.3.3.2) and in files (PS3.10 7.1). Made once from a UUID (PS3.5 B.2). */
export const IMPLEMENTATION_CLASS_UID = '2.25.66251414575850078813842364029817556888';
export const IMPLEMENTATION_VERSION_NAME = 'PIXL_IMAGING_0';
