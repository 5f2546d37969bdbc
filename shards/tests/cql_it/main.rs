//! The tests that need a CQL server, one claim a file, in one binary.
//!
//! What is *not* here: nodes that are killed (`../cql_a_dead_node_is_done_without.rs`).

#[path = "../cql/mod.rs"]
mod cql;
#[path = "../cql/importing.rs"]
mod importing;
#[path = "../cql/proxied.rs"]
mod proxied;
#[path = "../cql/sharded.rs"]
mod sharded;
#[path = "../support/mod.rs"]
mod support;
#[path = "../cql/switched.rs"]
mod switched;

use support::stores;

mod a_cluster_that_moved_or_was_cut_off_is_found_again;
mod a_cluster_that_takes_fewer_keys_is_asked_for_fewer;
mod a_saturated_shard_completes_its_fetches;
mod a_table_made_anew_is_read_as_it_is_now;
mod connections_are_encrypted;
mod entities_of_a_cluster_are_those_of_the_embedded_store;
mod faults_at_start_are_said_in_one_line;
mod faults_stay_small;
mod imports_are_read_back;
mod keys_are_asked_for_once;
mod keys_go_to_the_shard_that_owns_them;
mod keys_may_be_of_any_type;
mod one_table_that_fails_degrades_its_entity_alone;
mod rows_are_written_one_by_one;
mod rows_of_a_key_are_chosen_by_latest_by;
mod rows_reach_the_matrix;
mod scores_are_those_of_the_embedded_store;
mod tables_of_feast_are_read_as_they_are;
mod texts_reach_the_matrix;
mod what_the_model_does_not_name_does_not_matter;
