#include "runtime/handlers/http.hpp"

#include "runtime/handlers/http_further_request.hpp"
#include "runtime/handlers/http_poll.hpp"
#include "runtime/handlers/http_reply.hpp"
#include "runtime/handlers/http_stop.hpp"
#include "runtime/handlers/http_webhook.hpp"
#include "runtime/handlers/readable.hpp"
#include "runtime/handlers/stopped.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::seconds longest_call{300};    // of a job that no timeout ends
// The runtime stops an attempt at its deadline and says TIMEOUT; our own bound comes after it, for the case that it does not.
constexpr std::chrono::seconds after_the_deadline{2};
// A hook after the work leaves this much of the attempt's time, so that it cannot turn success into a timeout.
constexpr std::chrono::milliseconds before_the_deadline{250};
constexpr std::size_t quoted_bytes = 1000;

deadline bound(const attempt& a)
{
    if (a.until() != no_deadline) return a.until() + after_the_deadline;
    // What is only warned of its timeout may at least take that long.
    const auto now = steady_clock::now();
    return (a.told_until() == no_deadline ? now : std::max(now, a.told_until())) + longest_call;
}

bool is_success(const http_reply& reply)
{
    return reply.status >= 200 && reply.status < 300;
}

first_answer answer_of(http_answer from)
{
    first_answer first{.from = std::move(from.from)};
    if (auto object = as_object(from.reply.body)) first.body = std::move(*object);
    if (const auto* location = find_header(from.reply.headers, "Location")) first.location = *location;
    return first;
}

// A target that shows what it was sent would bring the secret into the history.
void hide(std::string& text, const std::string& secret)
{
    if (secret.empty()) return;
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) text.replace(at, secret.size(), "***");
}

http_handler handler_of(const http_hook& hook)
{
    return {.url = hook.url, .method = hook.method, .headers = hook.headers};
}

}

http_caller::http_caller(io_executor executor, http_options options) : options_(std::move(options)), sender_(executor, options_) {}

awaitable<outcome> http_caller::call(attempt& a, const http_handler& handler)
{
    switch (handler.completion) {
    case http_completion::reply: return call_for_reply(a, handler);
    case http_completion::poll: return call_and_poll(a, handler);
    case http_completion::webhook: return call_and_listen(a, handler);
    }
    return call_for_reply(a, handler);
}

awaitable<attempted<http_call>> http_caller::start_call(attempt& a, const http_handler& handler, const callback_address* callback)
{
    std::optional<checkpoint_data> checkpoint;
    if (a.may_resume() && !handler.body) {
        auto last = co_await a.records().last_checkpoint();
        if (!last) co_return failure("STATE_CORRUPTION", "the run's last checkpoint could not be read: " + last.error().detail);
        checkpoint = std::move(*last);
    }
    co_return make_call(handler, a.work(), told_deadline(a.told_until()), checkpoint, callback);
}

awaitable<outcome> http_caller::call_for_reply(attempt& a, const http_handler& handler)
{
    auto call = co_await start_call(a, handler, nullptr);
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    if (!call) co_return failed(call.error());
    auto answer = co_await sender_.send(interruption(a), handler, std::move(*call), bound(a));
    if (a.stopped() != stop_reason::none) {
        // The call was cut off, which is all that a target without a cancel_url is told.
        const bool graceful = handler.cancel_url.empty() || co_await tell_cancel(sender_, a, handler, nullptr, options_.grace);
        co_return stopped_outcome(a.stopped(), !graceful);
    }
    if (!answer) co_return failed(answer.error());
    auto end = conclude(answer->reply, wall_clock());
    if (!end.log.empty()) co_await a.records().log(log_stream::out, std::move(end.log));
    co_return std::move(end.outcome);
}

awaitable<outcome> http_caller::call_and_poll(attempt& a, const http_handler& handler)
{
    auto call = co_await start_call(a, handler, nullptr);
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    if (!call) co_return failed(call.error());
    auto started = co_await sender_.send(interruption(a), handler, std::move(*call), bound(a));
    if (!started && a.stopped() != stop_reason::none) {
        // The target may have begun, and nobody knows where to ask.
        co_await tell_cancel(sender_, a, handler, nullptr, options_.grace);
        co_return stopped_outcome(a.stopped(), true);
    }
    if (!started) co_return failed(started.error());
    if (!is_success(started->reply)) {
        auto end = conclude(started->reply, wall_clock());
        if (!end.log.empty()) co_await a.records().log(log_stream::out, std::move(end.log));
        co_return std::move(end.outcome);
    }
    const auto first_wait = retry_after(started->reply, wall_clock());
    const auto first = answer_of(std::move(*started));
    const auto status = make_status_call(handler, a.work(), first);
    if (!status) co_return failed(status.error());

    http_poll poll(sender_, options_, a, handler, *status);
    auto end = co_await poll.run(first_wait);
    if (end) co_return std::move(*end);
    const auto grace = steady_clock::now() + options_.grace;
    const bool told = !handler.cancel_url.empty() && co_await tell_cancel(sender_, a, handler, &first, options_.grace);
    co_return stopped_outcome(a.stopped(), !(told && co_await poll.has_ended_by(grace)));
}

awaitable<outcome> http_caller::call_and_listen(attempt& a, const http_handler& handler)
{
    http_webhook reports(a, options_.callbacks);
    auto address = co_await reports.open();
    if (!address) {
        if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
        co_return failed(address.error());
    }
    first_answer first;
    bool answered = false;
    if (!reports.has_ended()) {
        auto call = co_await start_call(a, handler, &*address);
        if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
        if (!call) co_return failed(call.error());
        auto started = co_await sender_.send(interruption(a), handler, std::move(*call), bound(a));
        answered = started.has_value();
        if (started && !is_success(started->reply) && !reports.has_ended()) {
            hide(started->reply.body, address->secret);
            auto end = conclude(started->reply, wall_clock());
            if (!end.log.empty()) co_await a.records().log(log_stream::out, std::move(end.log));
            co_return std::move(end.outcome);
        }
        // What the target reports counts also where its answer was lost.
        if (!started && a.stopped() == stop_reason::none && !reports.has_ended()) co_return failed(started.error());
        if (started) first = answer_of(std::move(*started));
    }
    if (auto end = co_await reports.await_end()) co_return std::move(*end);
    const bool told = !handler.cancel_url.empty() && co_await tell_cancel(sender_, a, handler, answered ? &first : nullptr, options_.grace);
    co_return stopped_outcome(a.stopped(), !told);
}

awaitable<std::optional<outcome>> http_caller::before(attempt& a, const http_hook& hook)
{
    const auto refused = [](const std::string& why) { return failed({"HOOK_FAILED", "hooks.before: " + why}); };
    auto call = make_hook_call(hook, a.work(), "before", "");
    if (!call) co_return refused(call.error().message);
    const auto handler = handler_of(hook);
    const auto until = std::min(bound(a), steady_clock::now() + hook.timeout);
    const auto answer = co_await sender_.send(interruption(a), handler, std::move(*call), until);
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    if (!answer) co_return refused(answer.error().message);
    if (!is_success(answer->reply)) co_return refused(conclude(answer->reply, wall_clock()).outcome.error_message);
    co_return std::nullopt;
}

awaitable<void> http_caller::after(attempt& a, const http_hook& hook, execution_status end)
{
    const auto now = steady_clock::now();
    const bool by_itself = a.stopped() == stop_reason::none;
    a.work_ended();
    // A stop asks for an end within the grace; work that has come to its own end is still watched by its timeout and its heartbeat.
    auto until = now + hook.timeout;
    const auto& heartbeat = a.work().job->definition.heartbeat;
    if (!by_itself) until = std::min(until, now + options_.grace);
    if (by_itself && a.until() != no_deadline) until = std::min(until, a.until() - before_the_deadline);
    if (by_itself && heartbeat) {
        a.records().heartbeat();
        until = std::min(until, now + heartbeat->interval * heartbeat->missed_limit - before_the_deadline);
    }

    std::string wrong;
    auto call = make_hook_call(hook, a.work(), "after", to_string(end));
    if (!call) {
        wrong = call.error().message;
    } else if (until <= now) {
        wrong = "it was not sent, because the attempt's time is over";
    } else {
        const auto handler = handler_of(hook);
        const auto answer = co_await sender_.send(by_itself ? interruption(a) : interruption(), handler, std::move(*call), until);
        if (!answer) wrong = answer.error().message;
        else if (!is_success(answer->reply)) wrong = conclude(answer->reply, wall_clock()).outcome.error_message;
    }
    if (!wrong.empty()) co_await a.records().log(log_stream::system, fmt::format("hooks.after failed: {}\n", readable(wrong, quoted_bytes)));
}

}
