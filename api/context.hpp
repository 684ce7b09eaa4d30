#pragma once

#include "api/problem.hpp"
#include "api/query.hpp"
#include "api/reply_stream.hpp"
#include "api/request.hpp"
#include "api/request_memory.hpp"
#include "api/response.hpp"
#include "api/router.hpp"
#include "api/server.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/principal.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <span>

namespace rowlock::api {

// One request as its handler sees it, and everything that the handler may use. Lives in the session, from one request to the next.
class request_context {
public:
    request_context(const services& s, connection& c) : app(s), stream(c), connection_(c), counted_(s.limits.body_memory) {}

    request_context(const request_context&) = delete;
    request_context& operator=(const request_context&) = delete;

    const services& app;
    request rq;
    path_values path;
    principal caller;
    std::string authorization;                       // of a WebSocket, which goes on asking with it: as the header has it
    std::string request_id;
    std::string trace_parent;                        // empty: none that is valid
    reply_stream stream;                             // for answers that are not known as a whole
    bool held = false;                               // the request waited on purpose: its time says nothing about the server

    // An answer in the connection's reused memory.
    response reply(int status, std::string_view content_type = json_type);
    response refuse(const error& e);
    // Takes the memory of an answer that was written.
    void recycle(response&& done);

    // The id that the path names. Error not_found.
    result<execution_id> id_of(std::string_view name) const;
    // The same, for a route that takes no parameters in its query. Errors: not_found, invalid_request.
    result<execution_id> bare_id(std::string_view name) const;
    // Error not_found.
    result<std::string> slug_of(std::string_view name) const;
    // The same, for a route that takes no parameters in its query. Errors: not_found, invalid_request.
    result<std::string> bare_slug(std::string_view name) const;

    // Counts what has come of a body, and, as far as it is known, whether there is room for the `rest`. Errors: overloaded; body_too_large
    // where it would not find room in an idle server either.
    result<void> count_body(std::size_t rest = 0);
    // Counts an answer instead, until the next request. Error: overloaded.
    result<void> count_answer(std::size_t bytes);
    // The body as an object. Errors: malformed_json, overloaded, body_too_large. Holds until the next request, or hold(): its memory is
    // reused. An empty body is an empty object where `optional`.
    result<const boost::json::object*> body(bool optional = false);

    // The same on routes whose bodies may be large: one that would hold the core up is read elsewhere. Errors: also those of database::compute.
    runtime::awaitable<result<const boost::json::object*>> large_body();
    // Does whatever is done with the body take so long that it should be done elsewhere?
    bool has_large_body() const { return rq.body().size() > 256 * 1024; }

    // The request waits on purpose from here on: its body is given up, as nobody needs it for a wait.
    void hold();
    // Waits until the run of `id` has ended, `until` is there, the client has gone or the server stops. Errors: overloaded.
    runtime::awaitable<result<void>> wait_for_run(execution_id id, runtime::deadline until);
    // The same for a run of a plan.
    runtime::awaitable<result<void>> wait_for_plan_run(uuid id, runtime::deadline until);

    // What a request that has become something else goes on with; the answer of its handler is then the last of the connection.
    connection& take_over()
    {
        stream.abandon();
        return connection_;
    }

    // Is there nobody left to answer, or no time?
    bool should_give_up() { return stopping() || connection_.peer_gone(); }
    bool stopping() const { return app.stopping.load(std::memory_order_relaxed); }
    // Is each answer the last of its connection?
    bool winding_down() const { return app.winding_down.load(std::memory_order_relaxed); }

    // Before the next request.
    void clear();
    // Nothing has been received of a next request: gives back what is quickly had again.
    void rest() { first_memory_.reset(); }

private:
    runtime::awaitable<result<void>> wait_for_end(runtime::run_watch& ends, execution_id id, runtime::deadline until);

    connection& connection_;
    std::string spare_body_;
    std::string spare_headers_;
    void drop_parsed();
    void drop_body();

    static constexpr std::size_t first_memory = 4096;
    request_memory counted_;
    std::unique_ptr<unsigned char[]> first_memory_;
    // Made anew for each body: release() of Boost 1.81 keeps the size of the next block, which doubles with every one.
    std::optional<boost::json::monotonic_resource> memory_;
    std::optional<boost::json::value> parsed_;
};

// {"items": [...], "next_cursor": "..." | null}
void append_page(std::string& out, std::span<const std::string> items, std::string_view next);
// The same of a list that was read whole: the part in the window.
void append_page(std::string& out, std::span<const std::string> items, page_window window);

}
