#include "runtime/execute/attempt_life.hpp"

#include "runtime/observe/event_log.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

// Between two tries to write a checkpoint that the database did not take.
constexpr std::chrono::milliseconds next_try{1000};
// At the end of an attempt, which waits for it.
constexpr std::chrono::milliseconds next_last_try{250};
constexpr int last_tries = 20;

double seconds(steady_clock::duration time)
{
    return std::chrono::duration<double>(std::chrono::round<milliseconds>(time)).count();
}

// As it was given: whole where it is.
json::value told_seconds(milliseconds time)
{
    if (time.count() % 1000 == 0) return time.count() / 1000;
    return seconds(time);
}

// A point in time of this process for people: RFC 3339, or null.
json::value told_time(std::optional<deadline> at)
{
    if (!at) return nullptr;
    return json::value(to_rfc3339(wall_clock() - std::chrono::round<std::chrono::microseconds>(steady_clock::now() - *at)));
}

json::value or_null(const std::string& text)
{
    if (text.empty()) return nullptr;
    return json::value(text);
}

}

attempt_life::attempt_life(io_executor home, assignment work, deadline began, life_records records, std::optional<milliseconds> budget)
    : records_(std::move(records)), began_(began), limits_(work.job->definition, began, budget), pace_(work.job->definition.checkpoint),
      attempt_(std::move(work), limits_.first_deadline(), limits_.last_deadline(), sinks()), timer_(home), tasks_(home), turn_(home, no_deadline)
{
}

attempt_records attempt_life::sinks()
{
    attempt_records watched = records_.plain;
    watched.checkpoint = [this](checkpoint_data made) { return offer(std::move(made)); };
    watched.last_checkpoint = [this] { return last_checkpoint(); };
    watched.heartbeat = [this] {
        attempt_.alive();
        records_.plain.heartbeat();
    };
    watched.progress = [this](double fraction) {
        attempt_.alive();
        records_.plain.progress(fraction);
    };
    return watched;
}

void attempt_life::begin()
{
    arm();
}

void attempt_life::arm()
{
    if (ended_) return;
    auto next = waiting_ && !writing_ ? write_at_ : no_deadline;
    if (attempt_.stopped() == stop_reason::none) next = std::min(next, limits_.next(attempt_.last_sign()));
    if (next == armed_) return;
    armed_ = next;
    timer_.expires_at(next);
    if (next == no_deadline) return;
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        if (const auto still = weak.lock(); still && !ec) still->look();
    });
}

void attempt_life::look()
{
    if (ended_) return;
    armed_ = no_deadline;
    const auto now = steady_clock::now();
    while (attempt_.stopped() == stop_reason::none) {
        const auto event = limits_.due(now, attempt_.last_sign());
        if (event == limit_event::none) break;
        act_on(event);
    }
    if (waiting_ && !writing_ && write_at_ <= now) tasks_.spawn(write_in_background());
    arm();
}

void attempt_life::act_on(limit_event event)
{
    switch (event) {
    case limit_event::none: return;
    case limit_event::beat_missed:
        spdlog::debug("execution {} has given no sign of life for {} of {} intervals", work().id.str(), limits_.missed(), definition().heartbeat->missed_limit);
        return;
    case limit_event::heartbeat_lost: return attempt_.request_stop(stop_reason::heartbeat_lost);
    case limit_event::timed_out: return attempt_.request_stop(stop_reason::timeout);
    case limit_event::budget_used:
        out_of_budget_ = true;
        return attempt_.request_stop(stop_reason::timeout);
    case limit_event::warned: return tasks_.spawn(warn());
    case limit_event::extended: return tasks_.spawn(tell_extension());
    }
}

awaitable<void> attempt_life::warn()
{
    const auto limit = seconds(*definition().timeout);
    auto message = fmt::format("It has run longer than its timeout_seconds of {}, and goes on (timeout_action WARN).", limit);
    spdlog::warn("execution {} of job {} has run longer than its timeout_seconds of {}, and goes on", work().id.str(), definition().job_id, limit);
    auto details = timeout_details("", steady_clock::now());
    co_await records_.plain.log(log_stream::system, message + "\n");
    co_await records_.error(error_category::timeout, "TIMEOUT_WARNING", std::move(message), std::move(details));
}

awaitable<void> attempt_life::tell_extension()
{
    auto reason = fmt::format("timeout extended, {} of {}", limits_.extensions(), definition().max_extensions);
    spdlog::info("execution {}: {}", work().id.str(), reason);
    co_await records_.still_running(std::move(reason));
}

awaitable<result<std::optional<checkpoint_data>>> attempt_life::last_checkpoint()
{
    auto found = co_await records_.plain.last_checkpoint();
    if (found && *found) has_checkpoint_ = true;
    co_return found;
}

awaitable<result<int>> attempt_life::offer(checkpoint_data made)
{
    attempt_.alive();
    const auto size = made.bytes.size();
    const auto verdict = pace_.offered(size, made.stage, steady_clock::now());
    if (verdict == checkpoint_pace::verdict::refuse) {
        auto why = fmt::format("it has {} bytes, and checkpoint.max_bytes is {}", size, pace_.max_bytes());
        // A job that goes on making them so large is told each time, its operators once.
        if (!std::exchange(told_too_large_, true)) {
            const json::object details{{"execution_id", work().id.str()}, {"size_bytes", size}, {"max_bytes", pace_.max_bytes()}, {"stage", or_null(made.stage)}};
            co_await records_.error(error_category::permanent, "CHECKPOINT_TOO_LARGE", "A checkpoint was not kept: " + why + ".", to_text(details));
        }
        co_return error{errc::body_too_large, std::move(why)};
    }
    waiting_ = std::make_shared<const checkpoint_data>(std::move(made));
    if (verdict == checkpoint_pace::verdict::keep) co_return co_await write_waiting();
    write_at_ = pace_.due();
    arm();
    co_return 0;
}

awaitable<result<int>> attempt_life::write_waiting()
{
    // One after the other: their numbers are their order.
    while (writing_) {
        boost::system::error_code ended;
        co_await turn_.async_wait(boost::asio::redirect_error(use_awaitable, ended));
    }
    if (!waiting_) co_return 0;                      // who wrote before has taken it along
    const auto mine = std::exchange(waiting_, {});
    writing_ = true;
    auto number = co_await records_.checkpoint(mine);
    writing_ = false;
    turn_.cancel();
    if (number) {
        has_checkpoint_ = true;
        pace_.kept(steady_clock::now());
        write_at_ = pace_.due();
    } else if (number.error().code == errc::database_unavailable || number.error().code == errc::overloaded) {
        if (!waiting_) waiting_ = mine;
        write_at_ = steady_clock::now() + next_try;
        number = 0;
    }
    arm();
    co_return number;
}

awaitable<void> attempt_life::write_in_background()
{
    const auto number = co_await write_waiting();
    if (!number) co_await records_.plain.log(log_stream::system, "a checkpoint was not kept: " + number.error().detail + "\n");
}

awaitable<void> attempt_life::end(bool succeeded)
{
    ended_ = true;
    timer_.cancel();
    if (tasks_.size() > 0) co_await tasks_.join();
    if (succeeded || attempt_.stopped() == stop_reason::lease_lost) co_return;
    for (int tries = 0; waiting_ && tries < last_tries; ++tries) {
        if (tries > 0) co_await sleep_until(steady_clock::now() + next_last_try);
        co_await write_in_background();
    }
}

std::string attempt_life::timeout_details(const std::string& termination, deadline at) const
{
    const auto& d = definition();
    json::object details{{"execution_id", work().id.str()}, {"timeout_seconds", nullptr}, {"elapsed_seconds", seconds(at - began_)},
                         {"last_heartbeat", told_time(attempt_.last_sign())}, {"checkpoint_available", has_checkpoint_}, {"termination_method", or_null(termination)}};
    if (d.timeout) details["timeout_seconds"] = told_seconds(*d.timeout);
    if (limits_.extensions() > 0) details["extensions"] = limits_.extensions();
    if (attempt_.stopped() == stop_reason::heartbeat_lost) {
        details["heartbeat_interval_seconds"] = told_seconds(d.heartbeat->interval);
        details["missed_heartbeats"] = limits_.missed();
    }
    return to_text(details);
}

std::string attempt_life::why_stopped() const
{
    const auto& d = definition();
    if (attempt_.stopped() == stop_reason::heartbeat_lost) {
        return fmt::format("It gave no sign of life for {} intervals of {} seconds.", d.heartbeat->missed_limit, seconds(d.heartbeat->interval));
    }
    if (out_of_budget_) return "It was stopped: its run has used up the seconds that it may take.";
    auto why = fmt::format("It ran longer than its timeout_seconds of {}", seconds(*d.timeout));
    if (limits_.extensions() > 0) why += fmt::format(", extended {} {}", limits_.extensions(), limits_.extensions() == 1 ? "time" : "times");
    return why + ".";
}

}
