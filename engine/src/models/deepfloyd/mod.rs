//! The U-Nets of DeepFloyd IF in the layout of diffusers.
