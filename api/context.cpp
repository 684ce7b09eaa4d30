#include "api/context.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::api {

namespace {

// What a large answer leaves behind is given back.
constexpr std::size_t memory_kept = 8 * 1024;

}

response request_context::reply(int status, std::string_view content_type)
{
    response made;
    made.status = status;
    made.content_type = content_type;
    made.body = std::move(spare_body_);
    made.headers = std::move(spare_headers_);
    made.body.clear();
    made.headers.clear();
    return made;
}

response request_context::refuse(const error& e)
{
    auto made = reply(500);
    write_problem(made, e);
    return made;
}

void request_context::recycle(response&& done)
{
    if (done.body.capacity() <= memory_kept) spare_body_ = std::move(done.body);
    spare_headers_ = std::move(done.headers);
}

result<execution_id> request_context::id_of(std::string_view name) const
{
    if (const auto id = execution_id::parse(path[name])) return *id;
    return not_found(fmt::format("{} is no id: ids are UUIDs, like 0198f3a2-7c41-7d2e-9a30-5b1c2d3e4f50.", path[name]));
}

result<execution_id> request_context::bare_id(std::string_view name) const
{
    query_reader query(rq.query());
    if (auto refused = query.finish(); !refused) return std::move(refused).error();
    return id_of(name);
}

result<std::string> request_context::slug_of(std::string_view name) const
{
    if (is_slug(path[name])) return std::string(path[name]);
    return not_found(fmt::format("Nothing is named {}: names are 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit.", path[name]));
}

result<std::string> request_context::bare_slug(std::string_view name) const
{
    query_reader query(rq.query());
    if (auto refused = query.finish(); !refused) return std::move(refused).error();
    return slug_of(name);
}

result<const boost::json::object*> request_context::body(bool optional)
{
    const auto text = rq.body();
    drop_parsed();
    if (!first_memory_) first_memory_ = std::make_unique_for_overwrite<unsigned char[]>(first_memory);
    memory_.emplace(first_memory_.get(), first_memory, boost::json::storage_ptr(&counted_));
    if (optional && text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        parsed_.emplace(boost::json::object());
        return parsed_->if_object();
    }
    try {
        auto value = parse_json(text, {}, boost::json::storage_ptr(&*memory_));
        if (!value) return std::move(value).error();
        parsed_.emplace(std::move(*value));
    } catch (const std::bad_alloc&) {
        // Once it is dropped, others may use what it had; its own request is over.
        drop_parsed();
        return no_room_for_body(counted_.was_too_large(), app.limits);
    }
    if (const auto* object = parsed_->if_object()) return object;
    return error{errc::malformed_json, "The body is JSON, but not an object: send { ... }."};
}

runtime::awaitable<result<const boost::json::object*>> request_context::large_body()
{
    co_return co_await app.instance.db().compute(has_large_body(), [this] { return body(); });
}

result<void> request_context::count_body(std::size_t rest)
{
    const bool fits = counted_.hold_buffers(rq.body_memory() + connection_.input_memory()) && counted_.has_room_for(rest);
    if (fits) return {};
    const bool for_good = !counted_.could_have(rq.body_memory() + rest);
    drop_body();
    return no_room_for_body(for_good, app.limits);
}

result<void> request_context::count_answer(std::size_t bytes)
{
    drop_body();
    if (counted_.hold_buffers(bytes)) return {};
    return no_room_for_body(false, app.limits);
}

void request_context::drop_parsed()
{
    parsed_.reset();
    memory_.reset();
}

void request_context::drop_body()
{
    drop_parsed();
    rq.drop_body();
    counted_.hold_buffers(0);
}

void request_context::hold()
{
    held = true;
    drop_body();
}

runtime::awaitable<result<void>> request_context::wait_for_run(execution_id id, runtime::deadline until)
{
    co_return co_await wait_for_end(app.instance.runs(), id, until);
}

runtime::awaitable<result<void>> request_context::wait_for_plan_run(uuid id, runtime::deadline until)
{
    co_return co_await wait_for_end(app.instance.plan_run_ends(), execution_id{id}, until);
}

runtime::awaitable<result<void>> request_context::wait_for_end(runtime::run_watch& ends, execution_id id, runtime::deadline until)
{
    struct counted {
        explicit counted(http_figures& f) : figures(f) { http_figures::add(figures.waiting, std::int64_t{1}); }
        ~counted() { http_figures::add(figures.waiting, std::int64_t{-1}); }
        http_figures& figures;
    };
    hold();
    const counted waiting(app.figures);
    auto ended = co_await connection_.attended(ends.wait(id, until));
    // A server that stops answers with what is known by now.
    if (!ended && ended.error().code != errc::stopping) co_return std::move(ended).error();
    co_return result<void>{};
}

void request_context::clear()
{
    rq.clear();
    path.clear();
    drop_parsed();
    counted_.hold_buffers(0);
    trace_parent.clear();
    authorization.clear();
    held = false;
}

void append_page(std::string& out, std::span<const std::string> items, page_window window)
{
    const auto rest = items.subspan(std::min(window.first, items.size()));
    const bool last = rest.size() <= window.most;
    append_page(out, last ? rest : rest.first(window.most), last ? std::string() : std::to_string(window.first + window.most));
}

void append_page(std::string& out, std::span<const std::string> items, std::string_view next)
{
    out.append("{\"items\":[");
    for (bool first = true; const auto& item : items) {
        if (!first) out.push_back(',');
        first = false;
        out.append(item);
    }
    out.append("],\"next_cursor\":");
    if (next.empty()) {
        out.append("null");
    } else {
        append_string(out, next);
    }
    out.push_back('}');
}

}
