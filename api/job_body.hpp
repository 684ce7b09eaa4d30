#pragma once

#include "api/context.hpp"
#include "storage/job_store.hpp"

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::api {

// Definitions as requests bring them: what of them is not part of the definition itself, and what only the server can say about them.

// Reads one definition with `enabled` and `reason`. `path_id`: as in parse_job_definition. Errors: invalid_request, with every field that is
// refused, also a tenant_id that is not the caller's and an id that only inline nodes of plans have.
result<storage::job_change> read_job_change(const request_context& rq, const boost::json::object& body, std::string_view path_id);

// Whether the SQL/JSON paths of definitions are some, which only the database can say. `in_a_list`: fields are named as jobs[3].handler.success.
// `changes` outlives it. Errors: invalid_request, database_unavailable.
runtime::awaitable<result<void>> check_paths(request_context& rq, const std::vector<storage::job_change>& changes, bool in_a_list);

// What will not work although the definition is right: here, on this instance, or before other jobs are defined; and what policies that warn say.
std::vector<std::string> warnings_of(const job_definition& definition, const storage::put_job& made, const request_context& rq);
void append_texts(std::string& out, const std::vector<std::string>& texts);

// What a change of a definition does, as a JSON array: [{"field", "before", "after"}].
void append_diff(std::string& out, const storage::put_job& made, const job_definition& definition);
void append_diff(std::string& out, std::string_view before, std::string_view after);

}
