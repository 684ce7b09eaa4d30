#include "api/routes.hpp"
#include "runtime/async/task_group.hpp"
#include "storage/execution_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t part_bytes = 256 * 1024;
// How soon a follower sees what was written: often while lines come, seldom while they do not.
constexpr runtime::steady_clock::duration shortest_pause = 100ms;
constexpr runtime::steady_clock::duration longest_pause = 1s;
constexpr runtime::steady_clock::duration look_at_peer = 250ms;

using found_part = result<std::optional<storage::log_part>>;

runtime::awaitable<found_part> read_part(request_context& rq, execution_id id, std::int64_t after)
{
    const auto tenant = rq.caller.tenant;
    co_return co_await rq.app.instance.db().read([tenant, id, after](storage::session& s) -> found_part { return storage::read_log(s, tenant, id, after, part_bytes); });
}

// False: the client has gone, or the server stops.
runtime::awaitable<bool> pause(request_context& rq, runtime::steady_clock::duration time)
{
    const auto until = runtime::steady_clock::now() + time;
    do {
        if (rq.should_give_up()) co_return false;
        if (!co_await runtime::sleep_until(std::min(until, runtime::steady_clock::now() + look_at_peer))) co_return false;
    } while (runtime::steady_clock::now() < until);
    co_return !rq.should_give_up();
}

}

// GET /v1/executions/{id}/log: 200 with text, 404. ?follow=true goes on until the execution has ended. The answer is sent as it is
// read, so that a long log is never held whole.
runtime::awaitable<response> get_log(request_context& rq)
{
    query_reader query(rq.rq.query());
    const bool follow = query.flag("follow");
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    share place(rq.app.limits.streams);
    if (follow && !place.resize(1)) co_return rq.refuse(too_many_streams(rq.app.limits));
    const auto id = rq.id_of("id");
    if (!id) co_return rq.refuse(id.error());
    auto part = co_await read_part(rq, *id, 0);
    if (!part) co_return rq.refuse(part.error());
    if (!*part) co_return rq.refuse(not_found(fmt::format("There is no execution {}.", id->str())));
    rq.hold();

    response streamed = rq.reply(200, text_type);
    if (rq.rq.verb() == method::head) co_return streamed;
    streamed.sent = true;
    if (!co_await rq.stream.begin(text_type)) co_return streamed;
    auto wait = shortest_pause;
    for (;;) {
        const bool more = !(*part)->text.empty();
        if (more && !co_await rq.stream.write((*part)->text)) co_return streamed;
        if ((*part)->ended || (!follow && !more)) break;
        wait = more ? shortest_pause : std::min(wait * 2, longest_pause);
        if (!more && !co_await pause(rq, wait)) break;
        auto next = co_await read_part(rq, *id, (*part)->next);
        if (!next || !*next) {
            // The client must be able to tell this from the end: the stream breaks off.
            rq.stream.abandon();
            co_return streamed;
        }
        part = std::move(next);
    }
    co_await rq.stream.end();
    co_return streamed;
}

}
