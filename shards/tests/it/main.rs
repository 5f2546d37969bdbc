//! The tests of the library, one claim a file, in one binary: it links tract and the store's driver
//! once. The helpers are folders beside this one.
//!
//! What is *not* here: tests that need a binary of their own, as they count allocations
//! (`../*.rs`), and those that need a CQL server (`../cql_it/`).

#[path = "../forest/mod.rs"]
mod forest;
#[path = "../native_models/mod.rs"]
mod native_models;
#[path = "../random/mod.rs"]
mod random;
#[path = "../simulation/mod.rs"]
mod simulation;
#[path = "../support/mod.rs"]
mod support;
#[path = "../text_models/mod.rs"]
mod text_models;
#[path = "../zoo_models/mod.rs"]
mod zoo_models;
mod zoo_scores_are_explained_or_refused;

use support::stores;

mod a_bad_row_is_named_by_line_and_column;
mod a_broken_native_file_is_refused_with_its_place;
mod a_canary_scores_its_share_of_the_users;
mod a_canary_takes_the_same_users_each_time;
mod a_category_that_is_not_known_fails_its_row_alone;
mod a_certificate_lets_a_client_in;
mod a_client_that_goes_away_leaves_nothing_behind;
mod a_cql_frame_without_end_is_refused;
mod a_damaged_store_never_gives_another_score;
mod a_description_says_what_is_served;
mod a_failed_batch_leaves_the_model_as_it_was;
mod a_file_is_read_once_for_all_shards;
mod a_file_is_read_whatever_it_is_packed_in;
mod a_file_that_is_moved_into_place_is_read;
mod a_golden_file_of_texts_is_replayed;
mod a_hostile_ensemble_is_refused;
mod a_key_lets_a_client_in;
mod a_manifest_names_what_is_wrong_with_it;
mod a_model_of_text_is_served;
mod a_null_among_texts_is_a_missing_one;
mod a_null_field_is_one_that_is_not_given;
#[cfg(feature = "parquet")]
mod a_parquet_file_is_read;
mod a_remote_server_that_fails_is_survived;
mod a_request_keeps_its_id_and_its_trace;
mod a_request_may_arrive_in_any_pieces;
mod a_row_scores_the_same_in_any_batch;
mod a_score_that_is_not_finite_is_its_rows_own;
mod a_shadow_of_other_categories_is_compared_where_it_can_be;
mod a_shadow_scores_copies_and_answers_nobody;
mod a_slow_client_is_told_so;
mod a_stop_loses_nothing_that_was_accepted;
mod a_store_that_does_not_match_names_the_column;
mod a_stream_answers_each_message_in_turn;
mod a_version_is_one_file_in_its_librarys_own_format;
mod an_answer_has_what_was_asked_for;
mod an_array_is_answered_member_by_member;
mod an_encrypted_port_serves_its_clients;
mod an_http2_connection_ends_when_it_should;
mod an_import_is_seen_whole_or_not_at_all;
mod an_import_leaves_no_more_than_it_needs;
mod an_import_of_other_columns_merges_by_key;
mod an_import_says_what_it_changed;
mod an_inference_request_fails_alone;
mod an_rpc_has_its_status_by_the_book;
mod broken_model_files_are_refused_and_never_panic;
mod cells_of_every_type_come_back;
mod changes_are_read_over_the_file;
mod changes_are_seen_whole_or_not_at_all;
mod contributions_add_up_to_the_margin;
mod contributions_are_shapley_values;
mod contributions_match_the_libraries;
mod csv_of_other_programs_is_read_or_refused;
mod distances_are_of_rows_that_are_whole;
mod each_row_of_a_request_has_its_users_version;
mod entities_join_their_own_tables;
mod every_answer_is_counted_once;
mod every_answer_reaches_the_one_who_asked;
mod every_class_has_its_contributions;
mod every_fault_has_its_status;
mod every_kernel_gives_the_same_bits;
mod every_kernel_gives_the_same_bits_for_sets;
mod every_zoo_model_agrees_with_its_library;
mod explanations_survive_reloads;
mod expressions_compute_columns;
mod features_that_are_not_known_follow_the_policies;
mod folders_import_only_what_is_below;
mod fuzz_seeds_pass;
mod golden_scores_match_scikit_learn;
mod graphs_contribute_as_shap_says;
mod hostile_clients_of_an_encrypted_port_do_no_harm;
mod hostile_http2_clients_are_contained;
mod http2_serves_what_http1_does;
mod idle_connections_make_room_for_others;
mod instances_are_scored_as_rows;
mod integers_travel_exactly_or_are_refused;
mod long_documents_are_packed_where_asked;
mod native_files_score_as_their_library;
mod no_cache_line_has_two_shards;
mod no_row_gets_the_score_of_another;
mod no_row_is_lost_behind_a_quote;
mod operators_agree_with_the_onnx_reference;
mod pipelined_requests_are_answered_in_order;
mod random_entities_match_a_reference;
mod random_expressions_match_a_reference;
mod records_are_joined_as_they_were_packed;
mod replaced_columns_are_bound_again;
mod replaced_columns_never_mix_with_the_old;
mod request_fields_join_stored_features;
mod request_numbers_are_held_to_their_type;
mod requests_are_recorded_whatever_they_come_by;
mod requests_that_do_not_end_take_bounded_memory;
mod rows_score_the_same_however_they_are_given;
mod rows_that_depend_on_each_other_are_refused;
mod rpcs_answer_as_rest_does;
mod rules_decide_around_the_model;
mod scores_through_http_match_the_library;
mod tables_of_a_store_are_told_apart;
mod texts_become_the_models_codes;
mod texts_score_as_their_library;
mod texts_score_through_the_store;
mod the_adaptive_window_keeps_close_to_the_best_fixed_one;
mod the_repository_serves_the_version_that_is_asked_for;
mod the_score_says_which_class_it_is;
mod the_zoo_has_the_same_bits_by_every_kernel;
mod the_zoo_scores_the_same_by_grpc;
mod trees_agree_with_onnx_runtime;
mod users_may_be_named_by_integers;
mod velocity_matches_duckdb;
mod version_folders_are_taken_by_their_numbers;
mod what_cannot_be_answered_in_time_is_refused;
mod what_cannot_be_explained_is_refused;
mod what_cannot_be_served_is_named_at_load;
mod what_two_readers_could_read_differently_is_refused;
