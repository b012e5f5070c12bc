"""Speech: MFCC maps, voice activity, augmentation."""
