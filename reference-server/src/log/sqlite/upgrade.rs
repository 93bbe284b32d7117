//! Files of earlier formats, brought to the present one inside the transaction that opens them.

use rusqlite::{Connection, Result, Row, params};

use super::store::{Header, Segment, Slice};
use super::sums;

/// What format 1 had not: where a log ends, what a segment follows on, and checksums.
const COLUMNS: &str = "
    ALTER TABLE file ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE workspace ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE workspace ADD COLUMN slices INTEGER;
    ALTER TABLE workspace ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE segment ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE segment ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE checkpoint ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;

    UPDATE workspace SET
        head = max(ifnull(checkpoint, 0), ifnull((SELECT max(last) FROM segment WHERE workspace = workspace.id), 0)),
        slices = iif(checkpoint IS NULL, NULL, (
            SELECT count(*) FROM checkpoint AS slice
            WHERE slice.workspace = workspace.id AND slice.epoch = workspace.epoch AND slice.version = workspace.checkpoint));
    UPDATE segment SET behind = ifnull(
        (SELECT max(last) FROM segment AS before WHERE before.workspace = segment.workspace AND before.last < segment.last),
        first - 1);
";

/// Brings a file of format 1 to format 2. It is believed to be whole: there is nothing to tell by.
pub(super) fn from_1(connection: &Connection) -> Result<()> {
    connection.execute_batch(COLUMNS)?;
    let window = connection.query_row("SELECT window FROM file", (), |row| row.get(0))?;
    connection.execute("UPDATE file SET sum = ?1", [sums::of_window(window)])?;
    let workspaces =
        "SELECT id, epoch, head, truncated_to, checkpoint, slices, rowid, name FROM workspace";
    sum_each(connection, "workspace", workspaces, |row| {
        Ok(Header::read(row)?.sum(&row.get::<_, String>(7)?))
    })?;
    let segments = "SELECT workspace, behind, first, last, lines, 0, rowid FROM segment";
    sum_each(connection, "segment", segments, |row| {
        let segment = Segment {
            workspace: row.get(0)?,
            behind: row.get(1)?,
            first: row.get(2)?,
            last: row.get(3)?,
            lines: row.get(4)?,
        };
        Ok(segment.sum())
    })?;
    let slices = "SELECT workspace, epoch, version, slice, lines, 0, rowid FROM checkpoint";
    sum_each(connection, "checkpoint", slices, |row| {
        let (epoch, lines): (String, String) = (row.get(1)?, row.get(4)?);
        let slice = Slice {
            workspace: row.get(0)?,
            epoch: &epoch,
            version: row.get(2)?,
            number: row.get(3)?,
            lines: &lines,
        };
        Ok(slice.sum())
    })
}

/// Gives each row of a table its checksum; the seventh column is its rowid.
fn sum_each(
    connection: &Connection,
    table: &str,
    rows: &str,
    sum: impl Fn(&Row<'_>) -> Result<u32>,
) -> Result<()> {
    let update = format!("UPDATE {table} SET sum = ?2 WHERE rowid = ?1");
    let mut statement = connection.prepare(rows)?;
    let sums = statement.query_map((), |row| Ok((row.get::<_, i64>(6)?, sum(row)?)))?;
    // Collected first: a table is not changed while it is read.
    for (rowid, sum) in sums.collect::<Result<Vec<_>>>()? {
        connection.execute(&update, params![rowid, sum])?;
    }
    Ok(())
}
