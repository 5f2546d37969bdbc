//! The statements that a driver prepares to learn of a cluster and to read the table of users.

use std::net::{IpAddr, SocketAddr};

use shards::features::column::ColumnType;
use shards::features::schema::LAST_UPDATED;

use super::answers::{Column, CqlType, Table};
use super::users::{Users, put_bytes};

const KEY: &str = "user_id";
const USERS_TABLE: &str = "user_profiles";

/// What a statement answers with.
#[derive(Debug)]
pub(super) enum Rows {
    /// Always the same rows, and how many they are.
    Fixed(Vec<u8>, i32),
    /// The row of the user whose key it is given.
    User,
    /// The rows of the users whose keys it is given in a list.
    UsersOfList,
}

/// A statement that can be prepared.
#[derive(Debug)]
pub(super) struct Statement {
    /// It begins with this, without quotes and spaces.
    begins: String,
    /// What it is given where it ends with a mark.
    pub(super) value: Option<Column>,
    pub(super) table: Table,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Rows,
}

/// All of them; the position of one is its id.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) users: Users,
    pub(super) statements: Vec<Statement>,
}

impl Catalog {
    /// What a lone node at `address` knows: a keyspace with one table, of these users.
    pub(super) fn new(users: Users, keyspace: &str, address: SocketAddr) -> Self {
        let columns = columns_of(&users);
        let mut statements = vec![local(address), peers()];
        statements.extend(schema(keyspace, &columns));
        statements.extend(reads(keyspace, &columns));
        Self { users, statements }
    }

    /// The statement that `text` asks for, with its position.
    pub(super) fn find(&self, text: &str) -> Option<(usize, &Statement)> {
        let plain = plain(text);
        self.statements.iter().enumerate().find(|(_, known)| plain.starts_with(&known.begins))
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|letter| !" \"".contains(*letter)).collect()
}

fn columns_of(users: &Users) -> Vec<Column> {
    let mut columns =
        vec![(KEY.to_owned(), CqlType::Text), (LAST_UPDATED.to_owned(), CqlType::Timestamp)];
    columns.extend(users.schema().columns().iter().map(|column| {
        let cql_type = match column.column_type {
            ColumnType::Float => CqlType::Float,
            ColumnType::Double => CqlType::Double,
            ColumnType::Int => CqlType::Int,
            ColumnType::Bigint => CqlType::Bigint,
            ColumnType::Boolean => CqlType::Boolean,
            ColumnType::Smallint => CqlType::Smallint,
            ColumnType::Tinyint => CqlType::Tinyint,
            ColumnType::Decimal => CqlType::Decimal,
            ColumnType::Varint => CqlType::Varint,
            ColumnType::Text => CqlType::Text,
            ColumnType::Timestamp => CqlType::Timestamp,
            ColumnType::Date => CqlType::Date,
            ColumnType::Uuid => CqlType::Uuid,
        };
        (column.name.clone(), cql_type)
    }));
    columns
}

/// A system table's statement with its rows, each a list of cells.
fn system(table: &str, columns: &[(&str, CqlType)], rows: &[Vec<Vec<u8>>]) -> Statement {
    let (keyspace, name) = table.split_once('.').unwrap_or_default();
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let mut encoded = Vec::new();
    for cell in rows.iter().flatten() {
        put_bytes(&mut encoded, cell);
    }
    Statement {
        begins: plain(&format!("SELECT {} FROM {table}", names.join(","))),
        value: Some(("keyspace_name".to_owned(), CqlType::ListOfText)),
        table: (keyspace.to_owned(), name.to_owned()),
        columns: columns.iter().map(|(name, cql_type)| ((*name).to_owned(), *cql_type)).collect(),
        rows: Rows::Fixed(encoded, rows.len() as i32),
    }
}

const NODE_COLUMNS: [(&str, CqlType); 5] = [
    ("host_id", CqlType::Uuid),
    ("rpc_address", CqlType::Inet),
    ("data_center", CqlType::Text),
    ("rack", CqlType::Text),
    ("tokens", CqlType::SetOfText),
];

fn local(address: SocketAddr) -> Statement {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let row = vec![
        vec![7; 16],
        ip,
        text("datacenter1"),
        text("rack1"),
        collection(&["0"], 1),
        text("a stub"),
    ];
    let columns = [&NODE_COLUMNS[..], &[("cluster_name", CqlType::Text)]].concat();
    system("system.local", &columns, &[row])
}

fn peers() -> Statement {
    system("system.peers", &NODE_COLUMNS, &[])
}

/// The tables by which a driver, and the gateway, learn what tables there are.
fn schema(keyspace: &str, columns: &[Column]) -> [Statement; 7] {
    use CqlType::{Boolean, Int, ListOfText, MapOfTexts, Text};
    let replication = ["class", "SimpleStrategy", "replication_factor", "1"];
    let described = columns.iter().map(|(name, cql_type)| {
        let (kind, position) = if name == KEY { ("partition_key", 0) } else { ("regular", -1_i32) };
        let mut row = [keyspace, USERS_TABLE, name, kind].map(text).to_vec();
        row.extend([position.to_be_bytes().to_vec(), text(cql_type.name())]);
        row
    });
    let described: Vec<_> = described.collect();
    // The gateway asks for this table alone, and knows its name.
    let of_table: Vec<_> =
        described.iter().map(|row| [&row[2..], &[text("none")]].concat()).collect();
    [
        system(
            "system_schema.keyspaces",
            &[("keyspace_name", Text), ("replication", MapOfTexts), ("durable_writes", Boolean)],
            &[vec![text(keyspace), collection(&replication, 2), vec![1]]],
        ),
        system(
            "system_schema.types",
            &[
                ("keyspace_name", Text),
                ("type_name", Text),
                ("field_names", ListOfText),
                ("field_types", ListOfText),
            ],
            &[],
        ),
        system(
            "system_schema.tables",
            &[("keyspace_name", Text), ("table_name", Text)],
            &[vec![text(keyspace), text(USERS_TABLE)]],
        ),
        system(
            "system_schema.views",
            &[("keyspace_name", Text), ("view_name", Text), ("base_table_name", Text)],
            &[],
        ),
        system(
            "system_schema.columns",
            &[
                ("keyspace_name", Text),
                ("table_name", Text),
                ("column_name", Text),
                ("kind", Text),
                ("position", Int),
                ("type", Text),
            ],
            &described,
        ),
        system(
            "system_schema.columns",
            &[
                ("column_name", Text),
                ("kind", Text),
                ("position", Int),
                ("type", Text),
                ("clustering_order", Text),
            ],
            &of_table,
        ),
        system("system_schema.views", &[("base_table_name", Text)], &[]),
    ]
}

/// The statements that read users: by a list of keys, by one, and one that only asks for columns.
fn reads(keyspace: &str, columns: &[Column]) -> [Statement; 3] {
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let named = names.join(",");
    let read = |begins: String, value: Option<CqlType>, rows: Rows| Statement {
        begins: plain(&begins),
        value: value.map(|cql_type| (KEY.to_owned(), cql_type)),
        table: (keyspace.to_owned(), USERS_TABLE.to_owned()),
        columns: columns.to_vec(),
        rows,
    };
    let from = format!("FROM {keyspace}.{USERS_TABLE}");
    let by_list = format!("SELECT {named} {from} WHERE {KEY} IN");
    let by_key = format!("SELECT {named} {from} WHERE {KEY} =");
    [
        read(by_list, Some(CqlType::ListOfText), Rows::UsersOfList),
        read(by_key, Some(CqlType::Text), Rows::User),
        read(format!("SELECT * {from}"), None, Rows::Fixed(Vec::new(), 0)),
    ]
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A list, a set or a map of texts; an element is made of so many of them.
fn collection(texts: &[&str], of: usize) -> Vec<u8> {
    let mut encoded = ((texts.len() / of) as i32).to_be_bytes().to_vec();
    for text in texts {
        put_bytes(&mut encoded, text.as_bytes());
    }
    encoded
}
