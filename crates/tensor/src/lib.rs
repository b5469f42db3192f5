//! Devices and the fused operations that the model is made of, as extensions of Burn.
