#include "runtime/handlers/http_poll.hpp"

#include "runtime/handlers/http_reply.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::milliseconds interval_after_a_stop{500};

}

awaitable<http_poll::look> http_poll::look_once(interruption by, deadline until)
{
    look seen;
    const auto answer = co_await sender_.send(by, handler_, status_, std::min(until, steady_clock::now() + options_.longest_look));
    if (by.came()) co_return seen;
    auto read = read_status(answer ? attempted<http_reply>(answer->reply) : attempted<http_reply>(answer.error()), wall_clock());
    seen.retry_after = read.retry_after;
    if (!read.body) {
        seen.wrong = std::move(read.why);
        seen.final = read.final;
        co_return seen;
    }

    status_question question{{}, handler_.success, handler_.failure, handler_.progress};
    status_answer said;
    if (question.asks()) {
        append_text(question.body, *read.body);
        const auto evaluated = co_await options_.evaluate(question);
        if (by.came()) co_return seen;
        if (!evaluated && evaluated.error().code != errc::invalid_request) {
            // The database is away: that says nothing of the target, which has shown that it is there.
            attempt_.records().heartbeat();
            co_return seen;
        }
        if (!evaluated) {
            seen.wrong = failure("INVALID_RESULT", "the status that the target gives cannot be judged: " + evaluated.error().detail);
            co_return seen;
        }
        said = *evaluated;
    }
    const auto state = state_of(*read.body, question, said);
    if (!state) {
        seen.wrong = state.error();
        co_return seen;
    }
    attempt_.records().heartbeat();
    if (said.progress) attempt_.records().progress(*said.progress);
    seen.state = *state;
    seen.body = std::move(*read.body);
    co_return seen;
}

awaitable<std::optional<outcome>> http_poll::run(std::optional<std::chrono::seconds> first_wait)
{
    const interruption by(attempt_);
    poll_patience patience;
    auto wait = first_wait ? std::chrono::duration_cast<milliseconds>(*first_wait) : handler_.poll_interval;
    while (co_await wait_until(by, steady_clock::now() + wait)) {
        auto seen = co_await look_once(by, no_deadline);
        if (by.came()) break;
        wait = handler_.poll_interval;
        if (seen.retry_after) wait = std::max<milliseconds>(wait, *seen.retry_after);
        if (seen.wrong) {
            if (!patience.bad() && !seen.final) continue;
            auto end = failed(*seen.wrong);
            if (!seen.final) end.error_message += fmt::format(" (the last of {} bad answers in a row)", poll_patience::most);
            end.retry_after = seen.retry_after;
            co_return end;
        }
        patience.good();
        if (seen.state != job_state::running) co_return reported(seen.state == job_state::succeeded, std::move(seen.body));
    }
    co_return std::nullopt;
}

awaitable<bool> http_poll::has_ended_by(deadline until)
{
    const auto interval = std::min(handler_.poll_interval, interval_after_a_stop);
    while (steady_clock::now() < until) {
        const auto seen = co_await look_once(interruption(), until);
        // What is not there any more runs no more.
        if (seen.final || (!seen.wrong && seen.state != job_state::running)) co_return true;
        co_await wait_until(interruption(), std::min(until, steady_clock::now() + interval));
    }
    co_return false;
}

}
