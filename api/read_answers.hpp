#pragma once

#include "api/context.hpp"
#include "api/query.hpp"
#include "storage/page.hpp"

#include <functional>

namespace rowlock::api {

// What a statement found of one thing, as JSON text, or that there is none.
using found_text = result<std::optional<std::string>>;
// A page of a list; nullopt: its cursor is malformed.
using found_page = result<std::optional<storage::page>>;

// 200 with what was found, or why not.
response show(request_context& rq, const found_text& found, const error& missing);
// 200 with the page, or 422 for a cursor that no page of this list has given.
response show(request_context& rq, query_reader& query, const std::string& cursor, const found_page& found);

// 200 with the page of a list whose cursor was checked before.
response show(request_context& rq, const result<storage::page>& found);
// 200, 422: a route whose list is by name and takes nothing but limit and cursor; of the caller's tenant.
using list_by_name = storage::page (*)(storage::session&, tenant_key, int limit, const std::string& cursor);
runtime::awaitable<response> show_by_name(request_context& rq, list_by_name list);
// 200 with a page of the versions of one thing: it has one at least, so a first page without any is that of what is missing.
response show_versions(request_context& rq, const result<storage::page>& found, const std::string& cursor, const error& missing);

// Purges at most `limit` rows in transactions of their own, and answers 200 {"purged", "remaining"}. The functions run on a database thread, `step` with
// the most that it may take.
using purge_step = std::function<int(storage::session&, int most)>;
using count_rest = std::function<std::int64_t(storage::session&)>;
runtime::awaitable<response> purge(request_context& rq, int limit, purge_step step, count_rest count);

}
