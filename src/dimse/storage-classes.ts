/**
 * Storage SOP classes (PS3.4 B.5): those that dcmjs-dimse names, by its names and in its order, and the ones met in archives
 * that it does not. Written out, so that who needs no more than the UIDs need not load it and its dictionary.
 */
export const STORAGE_CLASSES: readonly string[] = [
  '1.2.840.10008.5.1.4.1.1.88.11', // BasicTextSr
  '1.2.840.10008.5.1.4.1.1.13.1.4', // BreastProjectionXRayImageForPresentation
  '1.2.840.10008.5.1.4.1.1.13.1.5', // BreastProjectionXRayImageForProcessing
  '1.2.840.10008.5.1.4.1.1.13.1.3', // BreastTomosynthesisImage
  '1.2.840.10008.5.1.4.1.1.88.65', // ChestCadSr
  '1.2.840.10008.5.1.4.1.1.88.33', // ComprehensiveSr
  '1.2.840.10008.5.1.4.1.1.1', // ComputedRadiographyImage
  '1.2.840.10008.5.1.4.1.1.2', // CtImage
  '1.2.840.10008.5.1.4.1.1.1.3', // DigitalIntraOralXRayImageForPresentation
  '1.2.840.10008.5.1.4.1.1.1.3.1', // DigitalIntraOralXRayImageForProcessing
  '1.2.840.10008.5.1.4.1.1.1.2', // DigitalMammographyXRayImageForPresentation
  '1.2.840.10008.5.1.4.1.1.1.2.1', // DigitalMammographyXRayImageForProcessing
  '1.2.840.10008.5.1.4.1.1.1.1', // DigitalXRayImageForPresentation
  '1.2.840.10008.5.1.4.1.1.1.1.1', // DigitalXRayImageForProcessing
  '1.2.840.10008.5.1.4.1.1.104.2', // EncapsulatedCda
  '1.2.840.10008.5.1.4.1.1.104.1', // EncapsulatedPdf
  '1.2.840.10008.5.1.4.1.1.2.1', // EnhancedCtImage
  '1.2.840.10008.5.1.4.1.1.4.3', // EnhancedMrColorImage
  '1.2.840.10008.5.1.4.1.1.4.1', // EnhancedMrImage
  '1.2.840.10008.5.1.4.1.1.130', // EnhancedPetImage
  '1.2.840.10008.5.1.4.1.1.88.22', // EnhancedSr
  '1.2.840.10008.5.1.4.1.1.12.1.1', // EnhancedXaImage
  '1.2.840.10008.5.1.4.1.1.12.2.1', // EnhancedXrfImage
  '1.2.840.10008.5.1.4.1.1.14.1', // IntravascularOpticalCoherenceTomographyImageForPresentation
  '1.2.840.10008.5.1.4.1.1.14.2', // IntravascularOpticalCoherenceTomographyImageForProcessing
  '1.2.840.10008.5.1.4.1.1.2.2', // LegacyConvertedEnhancedCTImage
  '1.2.840.10008.5.1.4.1.1.4.4', // LegacyConvertedEnhancedMRImage
  '1.2.840.10008.5.1.4.1.1.128.1', // LegacyConvertedEnhancedPETImage
  '1.2.840.10008.5.1.4.1.1.88.50', // MammographyCadSr
  '1.2.840.10008.5.1.4.1.1.4', // MrImage
  '1.2.840.10008.5.1.4.1.1.7.2', // MultiframeGrayscaleByteSecondaryCaptureImage
  '1.2.840.10008.5.1.4.1.1.7.3', // MultiframeGrayscaleWordSecondaryCaptureImage
  '1.2.840.10008.5.1.4.1.1.7.1', // MultiframeSingleBitSecondaryCaptureImage
  '1.2.840.10008.5.1.4.1.1.7.4', // MultiframeTrueColorSecondaryCaptureImage
  '1.2.840.10008.5.1.4.1.1.20', // NuclearMedicineImage
  '1.2.840.10008.5.1.4.1.1.77.1.5.7', // OphthalmicOpticalCoherenceTomographyEnFaceImage
  '1.2.840.10008.5.1.4.1.1.77.1.5.2', // OphthalmicPhotography16BitImage
  '1.2.840.10008.5.1.4.1.1.77.1.5.1', // OphthalmicPhotography8BitImage
  '1.2.840.10008.5.1.4.1.1.77.1.5.4', // OphthalmicTomographyImage
  '1.2.840.10008.5.1.4.1.1.128', // PositronEmissionTomographyImage
  '1.2.840.10008.5.1.4.1.1.481.1', // RtImage
  '1.2.840.10008.5.1.4.1.1.7', // SecondaryCaptureImage
  '1.2.840.10008.5.1.4.1.1.6.1', // UltrasoundImage
  '1.2.840.10008.5.1.4.1.1.3.1', // UltrasoundMultiframeImage
  '1.2.840.10008.5.1.4.1.1.77.1.1.1', // VideoEndoscopicImage
  '1.2.840.10008.5.1.4.1.1.77.1.2.1', // VideoMicroscopicImage
  '1.2.840.10008.5.1.4.1.1.77.1.4.1', // VideoPhotographicImage
  '1.2.840.10008.5.1.4.1.1.77.1.1', // VlEndoscopicImage
  '1.2.840.10008.5.1.4.1.1.77.1.2', // VlMicroscopicImage
  '1.2.840.10008.5.1.4.1.1.77.1.4', // VlPhotographicImage
  '1.2.840.10008.5.1.4.1.1.77.1.3', // VlSlideCoordinatesMicroscopicImage
  '1.2.840.10008.5.1.4.1.1.77.1.6', // VlWholeSlideMicroscopyImage
  '1.2.840.10008.5.1.4.1.1.77.1.5.6', // WideFieldOphthalmicPhotography3dCoordinatesImage
  '1.2.840.10008.5.1.4.1.1.77.1.5.5', // WideFieldOphthalmicPhotographyStereographicProjectionImage
  '1.2.840.10008.5.1.4.1.1.13.1.1', // XRay3dAngiographicImage
  '1.2.840.10008.5.1.4.1.1.13.1.2', // XRay3dCraniofacialImage
  '1.2.840.10008.5.1.4.1.1.12.1', // XRayAngiographicImage
  '1.2.840.10008.5.1.4.1.1.88.67', // XRayRadiationDoseSR
  '1.2.840.10008.5.1.4.1.1.12.2', // XRayRadiofluoroscopicImage
  '1.2.840.10008.5.1.4.1.1.11.1', // Grayscale Softcopy Presentation State
  '1.2.840.10008.5.1.4.1.1.11.2', // Color Softcopy Presentation State
  '1.2.840.10008.5.1.4.1.1.66', // Raw Data
  '1.2.840.10008.5.1.4.1.1.66.1', // Spatial Registration
  '1.2.840.10008.5.1.4.1.1.66.4', // Segmentation
  '1.2.840.10008.5.1.4.1.1.88.59', // Key Object Selection
  '1.2.840.10008.5.1.4.1.1.481.2', // RT Dose
  '1.2.840.10008.5.1.4.1.1.481.3', // RT Structure Set
  '1.2.840.10008.5.1.4.1.1.481.5', // RT Plan
];
