//! Why a plan cannot run in this binary.

use crate::expr::CompileError;

/// A plan asks for what this binary does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node}: {detail}")]
pub struct BuildError {
    /// The node of the plan.
    pub node: String,
    /// What is missing.
    pub detail: String,
}

impl BuildError {
    /// An error that says this; the node is filled in by [`BuildError::within`].
    pub(super) fn other(detail: impl Into<String>) -> BuildError {
        BuildError { node: String::new(), detail: detail.into() }
    }

    /// The same, in this node.
    pub(super) fn within(self, node: &str) -> BuildError {
        BuildError { node: node.to_owned(), ..self }
    }
}

impl From<CompileError> for BuildError {
    fn from(error: CompileError) -> BuildError {
        BuildError::other(error.to_string())
    }
}
