//! The structure of the code, as the compiler does not ask for it: no circles between modules, functions that fit one
//! look. Reads every source with `syn`.

mod circles;
mod code;
mod contents;
mod lengths;
