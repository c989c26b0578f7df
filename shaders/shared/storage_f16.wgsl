enable f16;
// How tensors lie in memory. Arithmetic is in f32 whichever it is.
alias Storage = f16;
