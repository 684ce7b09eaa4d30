#include "bench/load/closed_loop.hpp"
#include "bench/load/stream_connection.hpp"
#include "bench/load/submissions.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace rowlock::bench {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

// Frames name the place that they have among those in flight, in so many digits; answers name it where this says.
constexpr std::size_t digits = 6;
constexpr std::string_view before_id = R"({"op":"submit","id":")";
constexpr std::string_view accepted_before_id = R"({"op":"accepted","id":")";
constexpr std::string_view rejected_before_id = R"({"op":"rejected","id":")";

std::string id_of(std::size_t place)
{
    return fmt::format("{:0{}}", place, digits);
}

std::size_t place_of(std::string_view answer, std::size_t at)
{
    std::size_t place = 0;
    const auto id = answer.substr(std::min(at, answer.size()), digits);
    if (std::from_chars(id.data(), id.data() + id.size(), place).ec != std::errc{}) throw std::runtime_error(fmt::format("an answer without an id: {}", answer.substr(0, 60)));
    return place;
}

struct caller {
    caller(asio::io_context& context, const asio::ip::tcp::endpoint& server) : connection(context, server) {}

    stream_connection connection;
    std::vector<steady_clock::time_point> sent{};        // by place
    seen_answers seen{};
};

runtime::awaitable<void> open(caller& c, const std::string& credentials, std::size_t in_flight)
{
    c.sent.resize(std::min(co_await c.connection.open(credentials), in_flight));
}

// Keeps every place taken until `end`, then waits for what is in flight.
runtime::awaitable<void> submit_until(caller& c, const std::string& rest_of_frame, steady_clock::time_point end)
{
    std::vector<std::string> frames;
    for (std::size_t i = 0; i < c.sent.size(); ++i) frames.push_back(frame_bytes(std::string(before_id) + id_of(i) + rest_of_frame));
    std::string out;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        out += frames[i];
        c.sent[i] = steady_clock::now();
    }
    for (std::size_t in_flight = frames.size(); in_flight > 0;) {
        if (!out.empty()) co_await c.connection.send(out);
        out.clear();
        do {
            const std::string_view answer = co_await c.connection.receive();
            const bool accepted = answer.starts_with(accepted_before_id);
            const std::size_t place = place_of(answer, accepted ? accepted_before_id.size() : rejected_before_id.size());
            if (place >= frames.size()) throw std::runtime_error("an answer to nothing");
            const auto now = steady_clock::now();
            c.seen.add(accepted, now - c.sent[place]);
            if (now < end) {
                out += frames[place];
                c.sent[place] = now;
            } else {
                --in_flight;
            }
        } while (c.connection.has_message());
    }
}

}

outcome run_stream(server& at, const load_options& options)
{
    outcome made{"stream", fmt::format("{} streams, {} in flight on each, {} a frame, {} s", options.batch_connections, options.in_flight, options.frame, options.length.count())};
    const std::string rest = fmt::format(R"(","executions":[{}]}})", submissions("load-noop", options.frame, due_if_stored(options)));

    at.define("load-noop", R"({"type": "noop"})");
    asio::io_context context(1);
    std::deque<caller> callers;
    run_all all(context);
    for (std::size_t i = 0; i < options.batch_connections; ++i) all.add(open(callers.emplace_back(context, at.endpoint(i)), at.credentials(), options.in_flight));
    all.run(longest_answer);

    return measure_closed_loop<caller>(
        at, std::move(made), all, callers, [&rest](caller& c, steady_clock::time_point end) { return submit_until(c, rest, end); }, options.frame, options);
}

}
