//! [`Shape`]: which tables are wanted together, and which of their rows.

use std::collections::BTreeMap;

use syncline_client_core::Tables;
use syncline_schemas::Filter;

/// Tables that are wanted as one shape, some of them filtered (chapter *filters*).
///
/// ```
/// use syncline_client::{Filter, Shape, Side};
///
/// let open = Filter::eq("done", false);
/// let soon = Filter::range("due", Side::Lt, "2026-12");
/// let shape = Shape::of(["lists"]).filtered("todo", open.and(soon));
/// # let _ = shape;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    pub(crate) tables: Tables,
    pub(crate) filters: BTreeMap<String, Filter>,
}

impl Shape {
    /// These tables, whole.
    pub fn of<S: Into<String>>(tables: impl IntoIterator<Item = S>) -> Shape {
        Shape {
            tables: tables.into_iter().map(Into::into).collect(),
            filters: BTreeMap::new(),
        }
    }

    /// And of this table the rows that match, in the place of what was said of it before.
    #[must_use]
    pub fn filtered(mut self, table: impl Into<String>, filter: Filter) -> Shape {
        let table = table.into();
        self.tables.insert(table.clone());
        self.filters.insert(table, filter);
        self
    }
}
