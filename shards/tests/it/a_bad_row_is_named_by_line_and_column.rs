//! A line that is no row is reported with its line and column, and is skipped or fatal as asked.

use crate::stores::{Heard, import, options, store_of};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{OnBadRow, import_embedded};

const HEADER: &str = "user_id,a,b:int,c:boolean,d:bigint,e:double,last_updated\n";

#[test]
fn each_fault_is_named() {
    let long_key = format!("{},1,2,true,3,4,\n", "k".repeat(512));
    for (line, said) in [
        ("u,x,2,true,3,4,\n", "line 3, column 2 (`a`): `x` is not of type float"),
        ("u,1e99,2,true,3,4,\n", "line 3, column 2 (`a`): `1e99` is not of type float"),
        ("u,1,2.5,true,3,4,\n", "line 3, column 3 (`b`): `2.5` is not of type int"),
        ("u,1,2147483648,true,3,4,\n", "line 3, column 3 (`b`): `2147483648` is not of type int"),
        ("u,1,2,maybe,3,4,\n", "line 3, column 4 (`c`): `maybe` is not of type boolean"),
        ("u,1,2,true,3e2,4,\n", "line 3, column 5 (`d`): `3e2` is not of type bigint"),
        ("u,1,2,true,3,1e999,\n", "line 3, column 6 (`e`): `1e999` is not of type double"),
        ("u,1,2,true,3,4,now\n", "line 3, column 7 (`last_updated`): `now` is neither"),
        (",1,2,true,3,4,\n", "line 3, column 1 (`user_id`): the key is empty"),
        (&long_key, "line 3, column 1 (`user_id`): the key has 512 bytes"),
        ("u,1,2\n", "line 3, column 4 (`c`): the row has 3 cells, the header 7"),
        ("u,1,2,true,3,4,,9\n", "line 3, column 7 (`last_updated`): the row has 8 cells"),
    ] {
        let csv = format!("{HEADER}first,1,2,true,3,4,5\n{line}last,1,2,0,3,4,\n");
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        let error = import(&store, &csv).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
        assert_eq!(store.schema().unwrap(), None, "nothing of a failed import is kept");

        let mut heard = Heard::default();
        let skip = options(OnBadRow::Skip, false);
        let progress = import_embedded(&store, csv.as_bytes(), &skip, &mut heard).unwrap();
        assert_eq!((progress.rows, progress.skipped), (2, 1));
        assert!(heard.skipped[0].to_string().starts_with(said));
    }
}

#[test]
fn a_row_of_several_lines_is_named_by_its_first() {
    let (_folder, store) = store_of("user_id,a\nu,1\n");
    let csv = "user_id,a\nu,\"\n1\n\"\n\nv,x\n";
    let error = import(&store, csv).unwrap_err().to_string();
    assert!(error.starts_with("line 6, column 2"), "{error}");
}

#[test]
fn a_bad_header_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    for (csv, said) in [
        ("", "line 1: there is no header"),
        ("user_id\nu\n", "line 1: the store has no feature column"),
        ("user_id,a,a\nu,1,2\n", "line 1: there is more than one column `a`"),
        ("user_id,a:real\nu,1\n", "line 1, column 2: `real` is not a column type"),
        ("user_id,a,\nu,1,2\n", "line 1: feature column 2 has no name"),
    ] {
        let error = import(&store, csv).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn what_spreadsheets_write_is_read() {
    let (_folder, store) = store_of("\u{feff}user_id , a\r\n\"u\",\" 1.5 \"\r\n\r\nv,\r\n");
    assert_eq!(store.rows().unwrap(), 2);
    assert_eq!(store.schema().unwrap().unwrap().columns()[0].name, "a");
}
