#include "ops/cli/run_follower.hpp"

#include "ops/cli/execution_view.hpp"
#include "ops/cli/json_read.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;
using std::chrono::seconds;

namespace {

constexpr seconds longest_poll{60};                      // below the idle limits of proxies
constexpr seconds beyond_poll{30};                       // for the reply itself

outcome_of<json::value> poll(context& c, const std::string& execution_id, seconds length)
{
    target at = target("/v1/executions").segment(execution_id).segment("wait");
    at.query("timeout_seconds", std::to_string(length.count()));
    auto reply = c.api().get(at, length + beyond_poll);
    if (!reply) return reply.error();
    if (text_at(reply->body, "status").empty()) return odd_reply(fmt::format("GET {} was answered without a status", at.text()));
    return std::move(reply->body);
}

}

outcome_of<json::value> wait_for_run(context& c, const std::string& execution_id, std::optional<seconds> limit)
{
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
        seconds length = longest_poll;
        if (limit) {
            const auto left = *limit - std::chrono::duration_cast<seconds>(std::chrono::steady_clock::now() - start);
            length = std::clamp(left, seconds{0}, longest_poll);
        }
        auto last = poll(c, execution_id, length);
        if (!last || has_ended(*last) || (limit && length == seconds{0})) return last;
    }
}

outcome_of<json::value> follow_run(context& c, const std::string& execution_id, const http_client::piece_sink& sink)
{
    std::string current = execution_id;
    std::size_t shown = 0;                               // bytes of the log of `current`
    for (;;) {
        // A stream starts with the log's first byte, also where an earlier stream of the same log broke off.
        std::size_t seen = 0;
        const auto fresh_part = [&](std::string_view piece) {
            const std::size_t known = std::min(piece.size(), shown > seen ? shown - seen : 0);
            seen += piece.size();
            if (piece.size() > known) sink(piece.substr(known));
        };
        target log = target("/v1/executions").segment(current).segment("log");
        if (const auto broken = c.api().stream(log.query("follow", "true"), fresh_part)) return *broken;
        shown = std::max(shown, seen);

        auto last = poll(c, current, longest_poll);
        if (!last) return last;
        const std::string id = text_at(*last, "execution_id");
        if (id.empty() || id == current) {
            if (has_ended(*last)) return last;
            continue;
        }
        // A retry: the next attempt has a log of its own.
        current = id;
        shown = 0;
    }
}

}
