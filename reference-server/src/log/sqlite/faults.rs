//! What an error of SQLite says of the file: whether it is damaged, which calls for a backup, or something else is wrong, which may pass.

use rusqlite::{Error, ErrorCode};

use super::store::damaged;
use crate::log::LogError;

impl From<Error> for LogError {
    fn from(error: Error) -> LogError {
        if tells_damage(&error) {
            damaged(error)
        } else {
            LogError::new(error)
        }
    }
}

/// Whether nothing but a file that is not what was written can be the cause. The statements and the types of the columns are always the same: who is told
/// that a table is not there, or that a column holds something else, reads what nobody has written.
pub(super) fn tells_damage(error: &Error) -> bool {
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows
        | Error::SqlInputError { .. } => true,
        _ => matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::Unknown
            )
        ),
    }
}
