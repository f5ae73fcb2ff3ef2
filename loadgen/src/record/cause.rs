//! Why a run completed nothing, judged by the errors and the first bad reply.

use serde::{Deserialize, Serialize};

/// What most likely went wrong in a run that completed no request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikelyCause {
    /// The kind of cause, for programs.
    pub kind: CauseKind,
    /// The cause, and what to try, for people.
    pub text: String,
    /// How the first bad reply began: printable ASCII, all else escaped. Absent when no byte ever came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// The kinds of cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// The server speaks TLS.
    Tls,
    /// It speaks HTTP, but the run used echo.
    Http,
    /// It echoes what it receives, but the run used HTTP.
    Echo,
    /// It speaks something else.
    NotHttp,
    /// It redirects.
    Moved,
    /// It answers with a status that is not a success.
    Status,
    /// It answers with something other than the expected reply.
    WrongReply,
    /// It takes requests and does not answer in time.
    NoReply,
    /// It cannot be connected to any more.
    Unreachable,
    /// It ends connections before it answers.
    ClosedEarly,
    /// Something else, which has a name in the errors.
    Other,
}
