//! The registry of scalar functions and operators: one row each, with its type
//! rule, its kernel and the version of its meaning. Documentation and tests are
//! made from it.
//!
//! Each family of functions has a file with a table of [`Function`]s. A function's
//! type rule says to which types its arguments are cast, so that a kernel meets
//! only few combinations of types.

mod arithmetic;
mod comparison;
mod conditional;
mod datetime;
mod instant;
mod java_regex;
mod json;
mod json_path;
mod json_scan;
pub(crate) mod kernel;
mod like;
mod logic;
mod math;
mod regex;
mod registry;
mod rounding;
mod text;
mod time_pattern;
mod time_text;
mod timespan;
mod typing;
mod unit;

pub use kernel::{Argument, CallInput, Failure, Kernel, KernelFn, PlainKernel, RowResult};
pub use registry::{Class, Family, Function, all, call, find, kernel, resolve, resolve_call};
pub use typing::common_type;

use crate::expr::FunctionRef;
use crate::types::DataType;

/// What a call of a function comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The function with the version of its meaning.
    pub function: FunctionRef,
    /// The types that the arguments must be cast to, one for each argument.
    pub arg_types: Vec<DataType>,
    /// The type of the result, by Flink's rules.
    pub result: DataType,
}

/// Why a call has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// There is no function of this name.
    UnknownFunction {
        /// Names that are spelled nearly the same, best first, at most three.
        nearest: Vec<String>,
    },
    /// The function takes other arguments.
    WrongArguments {
        /// The signatures that it has, such as `SUBSTRING(STRING, INT[, INT])`.
        signatures: Vec<String>,
        /// What is wrong with the ones given.
        detail: String,
    },
}
