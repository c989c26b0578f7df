//! Section 2 of the paper: schedules, samplers, guidance, thresholding, the sampling loop. No network in sight.
