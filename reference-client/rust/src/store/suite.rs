//! What any store must do: one suite, run over each.

use std::path::PathBuf;

use syncline_client_core::{
    Block, Conflict, ConflictEntry, ConflictKind, DocumentEntry, DoubtEntry, Entry, FieldConflict,
    Meta, RejectedEntry, Row, Sequence, Stands, StoreChange, StoredState, Transaction,
    UntoldFields,
};
use syncline_schemas::{Allocate, Cursor, DeleteOp, Json, Limits, Op, SetOp, Sibling};

use super::{MemoryStore, SqliteStore};
use crate::{Error, Storage};

/// Runs a check over each kind of store. It is given a way to open the same store, again and again.
fn each(check: impl Fn(&dyn Fn() -> Box<dyn Storage>)) {
    let memory = MemoryStore::default();
    check(&|| Box::new(memory.clone()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    check(&|| Box::new(SqliteStore::open(&path).unwrap()));
}

fn put(key: &str, version: u64, value: &str) -> StoreChange {
    let row = Row {
        version,
        value: Json::parse(value).unwrap(),
        siblings: match version % 2 {
            0 => Vec::new(),
            _ => vec![Sibling {
                version: 1,
                value: Json::null(),
            }],
        },
    };
    StoreChange::RowPut {
        table: "t".into(),
        key: key.into(),
        row,
    }
}

fn shape(version: Option<u64>) -> StoreChange {
    let cursor = version.map(|version| Cursor {
        epoch: "e".into(),
        version,
    });
    StoreChange::ShapePut(["t".to_owned(), "u".to_owned()].into(), cursor)
}

fn ops() -> Vec<Op> {
    let value = Json::parse(r#"{"b":1.50,"a":"\u00e9 \"\\ 🦀"}"#).unwrap();
    vec![
        Op::Set(SetOp {
            if_version: Some(7),
            ..SetOp::new("t", "\u{2028}__proto__", value)
        }),
        Op::Delete(DeleteOp::new("t", "")),
        Op::Allocate(Allocate {
            sequence: "orders".into(),
            count: 7,
        }),
    ]
}

fn entry(ordinal: u64, applied_at: Option<Cursor>) -> StoreChange {
    let (op_id, given_up) = (
        format!("op{ordinal}"),
        applied_at.is_none().then(|| "epoch_changed".to_owned()),
    );
    let (written_at_ms, clock_correction_ms) = (1_795_000_000_000, -12);
    StoreChange::EntryPut(Entry {
        epoch: Some("e".into()),
        ordinal,
        seq: 3,
        op_id,
        ops: ops(),
        written_at_ms,
        clock_correction_ms,
        movable: ordinal.is_multiple_of(3),
        let_through: ordinal.is_multiple_of(2),
        given_up,
        applied_at,
    })
}

fn meta(acked_seq: u64) -> StoreChange {
    StoreChange::MetaPut(Meta {
        workspace: "home".into(),
        client_id: "c".into(),
        acked_seq,
        acked_op_id: Some("op1".into()),
        epoch: Some("e".into()),
        clock_correction_ms: -5,
        limits: Some(Limits::default()),
        replaced: true,
        singly_through: 9,
        let_through_seq: 8,
        migrated: [("t".to_owned(), 3)].into(),
    })
}

fn rejected(ordinal: u64) -> StoreChange {
    StoreChange::RejectedPut(RejectedEntry {
        ordinal,
        op_id: format!("op{ordinal}"),
        ops: ops(),
        written_at_ms: 1,
        code: "version_conflict".into(),
        message: None,
        at: Some("/ops/0".into()),
    })
}

/// Of every kind, and of all that may stand.
fn conflicts(ordinal: u64) -> StoreChange {
    let conflict = |(op, stands)| Conflict {
        op_id: "op".into(),
        op,
        kind: match stands {
            Stands::Untold => ConflictKind::Resolved,
            _ => ConflictKind::Superseded,
        },
        stands,
    };
    let value = Json::parse(r#"{"b":1.50}"#).unwrap();
    let stands = [Stands::Untold, Stands::Gone, Stands::Value(value)];
    StoreChange::ConflictPut(ConflictEntry {
        ordinal,
        op_id: "op".into(),
        written_at_ms: 3,
        conflicts: ops().into_iter().zip(stands).map(conflict).collect(),
        fields: vec![FieldConflict {
            op_id: "op".into(),
            table: "t".into(),
            key: "k".into(),
            field: "é".into(),
            mine: Some(Json::null()),
            theirs: None,
            gone: true,
            version: Some(3),
        }],
        untold: vec![UntoldFields {
            table: "t".into(),
            key: "k".into(),
            count: 2,
        }],
    })
}

fn doubt(ordinal: u64) -> StoreChange {
    let op_id = format!("op{ordinal}");
    StoreChange::DoubtPut(DoubtEntry {
        ordinal,
        op_id,
        ops: ops(),
        written_at_ms: 2,
    })
}

fn sequence(first: u64, last: u64) -> StoreChange {
    let sequence = Sequence {
        block_size: 100,
        blocks: vec![
            Block { first, last },
            Block {
                first: 201,
                last: 300,
            },
        ],
        asked: Some("op7".into()),
        refused: Some("sequence_exhausted".into()),
        above: 5,
    };
    StoreChange::SequencePut {
        name: "orders \u{e9}".into(),
        sequence,
    }
}

fn piece(key: &str, version: u64, covers: Option<u64>) -> StoreChange {
    StoreChange::DocumentPut {
        table: "d".into(),
        key: key.into(),
        entry: DocumentEntry {
            version,
            covers,
            data: "AAEC".into(),
        },
    }
}

fn unpiece(key: &str, place: u64) -> StoreChange {
    StoreChange::DocumentDropped {
        table: "d".into(),
        key: key.into(),
        place,
    }
}

fn filters(bound: u64) -> StoreChange {
    let filter = Json::parse(&format!(r#"{{"field":"n","gt":{bound}}}"#)).unwrap();
    let filters = [("t".to_owned(), filter)].into();
    StoreChange::ShapeFiltered(["t".to_owned(), "u".to_owned()].into(), filters)
}

/// Every kind of change.
fn everything() -> Vec<Transaction> {
    let at = Cursor {
        epoch: "e".into(),
        version: 4,
    };
    let text = r#"{"1":0.30000000000000004}"#;
    let transactions = [
        vec![
            meta(0),
            shape(None),
            entry(1, None),
            entry(2, None),
            rejected(3),
            rejected(4),
            doubt(5),
            doubt(6),
            conflicts(7),
            conflicts(8),
            sequence(1, 100),
            filters(1),
        ],
        vec![
            meta(1),
            shape(Some(4)),
            entry(1, Some(at)),
            put("k", 4, "null"),
            put("", 3, text),
            sequence(8, 100),
            piece("k", 3, None),
            piece("k", 4, None),
            piece("", 4, None),
            filters(2),
        ],
        vec![
            StoreChange::EntryDropped(2),
            StoreChange::RejectedDropped(3),
            StoreChange::DoubtDropped(6),
            StoreChange::ConflictDropped(7),
            StoreChange::RowDropped {
                table: "t".into(),
                key: "k".into(),
            },
            put("", 5, "9007199254740991"),
            unpiece("k", 3),
            piece("k", 9, Some(3)),
            unpiece("", 4),
        ],
        vec![StoreChange::ShapeDropped(
            ["t".to_owned(), "u".to_owned()].into(),
        )],
    ];
    transactions.map(|changes| Transaction { changes }).into()
}

#[test]
fn a_store_holds_the_state_after_its_transactions_across_reopening() {
    each(|open| {
        let mut expected = StoredState::default();
        assert_eq!(open().load().unwrap(), expected);
        for transaction in everything() {
            expected.apply(transaction.clone());
            let mut store = open();
            store.apply(transaction).unwrap();
            assert_eq!(store.load().unwrap(), expected);
            drop(store);
            assert_eq!(open().load().unwrap(), expected);
        }
    });
}

#[test]
fn the_values_text_is_kept() {
    each(|open| {
        let text = r#"{"z": 1.0, "a": [1e2, -0.0]}"#;
        open()
            .apply(Transaction {
                changes: vec![put("k", 1, text)],
            })
            .unwrap();
        assert_eq!(
            open()
                .load()
                .unwrap()
                .base_row("t", "k")
                .unwrap()
                .value
                .get(),
            text
        );
    });
}

fn sqlite_file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("store.db")
}

#[test]
fn a_store_that_is_open_is_not_opened_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = sqlite_file(&folder);
    let first = SqliteStore::open(&path).unwrap();
    let second = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(second, Error::StoreInUse(_)), "{second}");
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn a_store_of_a_newer_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = sqlite_file(&folder);
    drop(SqliteStore::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            Error::StoreNewer {
                found: 99,
                known: 5,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_store_of_an_older_layout_is_brought_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = sqlite_file(&folder);
    drop(SqliteStore::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let as_before =
        "ALTER TABLE base DROP COLUMN siblings; DROP TABLE sequences; DROP TABLE filters; DROP TABLE conflicts; DROP TABLE documents; PRAGMA user_version = 1;
        INSERT INTO base VALUES ('t', 'k', 5, '1');";
    connection.execute_batch(as_before).unwrap();
    drop(connection);
    for _ in 0..2 {
        let mut store = SqliteStore::open(&path).unwrap();
        let changes = vec![
            sequence(7, 9),
            filters(1),
            conflicts(7),
            piece("k", 3, None),
        ];
        store.apply(Transaction { changes }).unwrap();
        let state = store.load().unwrap();
        assert_eq!(state.filters.len(), 1);
        assert_eq!(state.base_row("t", "k").map(|row| row.version), Some(5));
        assert_eq!((state.sequences.len(), state.conflicts.len()), (1, 1));
        assert_eq!(state.documents.len(), 1);
    }
}

#[test]
fn another_programs_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("other.db");
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let error = SqliteStore::open(&database).unwrap_err();
    assert!(matches!(error, Error::StoreForeign(_)), "{error}");

    let text = folder.path().join("letter.txt");
    std::fs::write(
        &text,
        "Dear Alice, this is a letter and not a database. ".repeat(50),
    )
    .unwrap();
    let error = SqliteStore::open(&text).unwrap_err();
    assert!(matches!(error, Error::StoreForeign(_)), "{error}");
    assert!(
        std::fs::read_to_string(&text)
            .unwrap()
            .starts_with("Dear Alice")
    );
}
