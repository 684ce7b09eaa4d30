#include "runtime/execute/manual_retry.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

error not_retryable(std::string detail)
{
    return {errc::not_retryable, std::move(detail)};
}

error no_execution(execution_id id)
{
    return {errc::not_found, fmt::format("There is no execution {}.", id.str())};
}

error no_dead_letter(execution_id id)
{
    return {errc::not_found, fmt::format("There is no dead letter {}: its id is that of the last attempt of a run that has failed for good.", id.str())};
}

// What is in the way is read after the refusal: it may have changed meanwhile, and then the sentence says what is so now.
error why_not(storage::session& s, const principal& who, execution_id id, storage::retry_refusal refusal)
{
    const auto last = storage::find_last_attempt(s, who.tenant, id);
    if (refusal == storage::retry_refusal::not_found || !last) return no_execution(id);
    const std::string which = last->id == id ? fmt::format("The execution {}", id.str()) : fmt::format("{}, the last attempt of the run,", last->id.str());
    if (refusal == storage::retry_refusal::duplicate) {
        return not_retryable(fmt::format("The job lets one run with the same parameters be unfinished at a time (`dedupe`), and another one is. Wait for it, or cancel it, then retry {}.", id.str()));
    }
    switch (last->status) {
    case execution_status::completed:
        return not_retryable(fmt::format("{} has COMPLETED: there is nothing to retry. To do the same again as a new run, use POST /v1/executions/{}/replay.", which, last->id.str()));
    case execution_status::skipped:
        return not_retryable(fmt::format("{} was SKIPPED: it has not failed. To do the same now as a new run, use POST /v1/executions/{}/replay.", which, last->id.str()));
    case execution_status::pending:
    case execution_status::queued:
    case execution_status::running:
    case execution_status::completing:
        return not_retryable(fmt::format("{} has not ended: it is {}. Wait for it, or cancel it with POST /v1/executions/{}/cancel, then retry it.", which, to_string(last->status),
                                         last->id.str()));
    case execution_status::failed:
    case execution_status::timeout:
    case execution_status::cancelled: break;
    }
    return not_retryable(fmt::format("Another attempt of the run of {} was under way. It has ended {} as {}: retry it again if that is still wanted.", id.str(), to_string(last->status),
                                     last->id.str()));
}

}

result<execution_id> retry_by_hand(storage::session& s, const principal& who, execution_id id, std::chrono::milliseconds priority_age)
{
    const auto answer = storage::retry(s, who.tenant, id, who.name, priority_age);
    if (answer.refusal == storage::retry_refusal::none) return answer.next;
    return why_not(s, who, id, answer.refusal);
}

result<execution_id> retry_dead_letter(storage::session& s, const principal& who, execution_id id, std::chrono::milliseconds priority_age)
{
    storage::dead_letter_filter only;
    only.ids = {id};
    const auto taken = storage::retry_dead_letters(s, who.tenant, only, std::nullopt, 1, who.name, priority_age);
    if (!taken.empty()) {
        if (taken[0].answer.refusal == storage::retry_refusal::none) return taken[0].answer.next;
        return why_not(s, who, id, taken[0].answer.refusal);
    }
    const auto state = storage::find_dead_letter_state(s, who.tenant, id);
    if (!state) return no_dead_letter(id);
    if (state->status == storage::dead_letter_status::retried) {
        const std::string as = state->retried_as ? state->retried_as->str() : "another attempt";
        return not_retryable(fmt::format("{} has retried it already, as {}. Should that have failed too, it has a dead letter of its own.", state->retried_by, as));
    }
    return not_retryable(fmt::format("Somebody is just retrying or deleting the dead letter {}. Look at it again.", id.str()));
}

}
