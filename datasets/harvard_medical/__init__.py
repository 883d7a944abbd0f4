"""Harvard medical: slices of the brain, MRI with CT, PET or SPECT."""
