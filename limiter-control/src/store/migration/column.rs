//! Columns, tables and indexes alike on both engines.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Makes columns; text is compared by its bytes on both engines.
pub(super) struct Columns(pub(super) DbBackend);

impl Columns {
    pub(super) fn text_or_null(&self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        column.text();
        if self.0 == DbBackend::Postgres {
            column.extra("COLLATE \"C\"");
        }
        column
    }

    pub(super) fn text(&self, name: &'static str) -> ColumnDef {
        self.text_or_null(name).not_null().take()
    }

    pub(super) fn key(&self, name: &'static str) -> ColumnDef {
        self.text(name).primary_key().take()
    }
}

pub(super) fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

pub(super) fn number_or_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

pub(super) fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

pub(super) fn bytes(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().take()
}

pub(super) fn table<const N: usize>(name: &'static str, columns: [ColumnDef; N]) -> TableCreateStatement {
    with(Table::create().table(name).if_not_exists().take(), columns)
}

pub(super) fn with<const N: usize>(
    mut table: TableCreateStatement,
    columns: [ColumnDef; N],
) -> TableCreateStatement {
    for column in columns {
        table.col(column);
    }
    table
}

pub(super) trait Refers {
    /// `column` holds identities of `table`.
    fn refers(&mut self, column: &'static str, table: &'static str, gone: ForeignKeyAction) -> &mut Self;
}

impl Refers for TableCreateStatement {
    fn refers(&mut self, column: &'static str, table: &'static str, gone: ForeignKeyAction) -> &mut Self {
        self.foreign_key(ForeignKey::create().from_col(column).to(table, "id").on_delete(gone))
    }
}

pub(super) fn unique<const N: usize>(
    table: &'static str,
    name: &'static str,
    columns: [&'static str; N],
) -> IndexCreateStatement {
    index(table, name, columns).unique().take()
}

pub(super) fn index<const N: usize>(
    table: &'static str,
    name: &'static str,
    columns: [&'static str; N],
) -> IndexCreateStatement {
    let mut index = Index::create();
    index.if_not_exists().name(name).table(table);
    for column in columns {
        index.col(column);
    }
    index
}
