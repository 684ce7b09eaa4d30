#include "runtime/handlers/http_stop.hpp"

#include "runtime/handlers/http_reply.hpp"
#include "runtime/handlers/readable.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::size_t quoted_bytes = 1000;

// What the target is told of why.
std::string_view word_of(stop_reason why)
{
    switch (why) {
    case stop_reason::timeout: return "TIMEOUT";
    case stop_reason::heartbeat_lost: return "HEARTBEAT_LOST";
    case stop_reason::cancelled: return "CANCELLED";
    case stop_reason::none:
    case stop_reason::handed_back:
    case stop_reason::lease_lost: break;
    }
    return "";
}

}

bool ends_the_work(stop_reason why)
{
    return !word_of(why).empty();
}

awaitable<bool> tell_cancel(http_sender& sender, attempt& a, const http_handler& handler, const first_answer* answer, milliseconds grace)
{
    if (handler.cancel_url.empty() || !ends_the_work(a.stopped())) co_return false;
    std::string wrong;
    auto call = make_cancel_call(handler, a.work(), answer, word_of(a.stopped()));
    if (!call) {
        wrong = call.error().message;
    } else {
        const auto said = co_await sender.send(interruption(), handler, std::move(*call), steady_clock::now() + grace);
        if (!said) wrong = said.error().message;
        else if (said->reply.status < 200 || said->reply.status >= 300) wrong = conclude(said->reply, wall_clock()).outcome.error_message;
    }
    if (wrong.empty()) co_return true;
    co_await a.records().log(log_stream::system, fmt::format("the target could not be told to stop: {}\n", readable(wrong, quoted_bytes)));
    co_return false;
}

}
