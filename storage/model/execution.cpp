#include "storage/model/execution.hpp"

#include <array>
#include <utility>

namespace rowlock {

namespace {

constexpr std::array<std::pair<execution_status, std::string_view>, 9> status_names{{
    {execution_status::pending, "PENDING"},
    {execution_status::queued, "QUEUED"},
    {execution_status::running, "RUNNING"},
    {execution_status::completing, "COMPLETING"},
    {execution_status::completed, "COMPLETED"},
    {execution_status::failed, "FAILED"},
    {execution_status::timeout, "TIMEOUT"},
    {execution_status::cancelled, "CANCELLED"},
    {execution_status::skipped, "SKIPPED"},
}};

constexpr std::array<std::pair<trigger_type, std::string_view>, 6> trigger_names{{
    {trigger_type::scheduled, "SCHEDULED"},
    {trigger_type::manual, "MANUAL"},
    {trigger_type::dependency, "DEPENDENCY"},
    {trigger_type::event, "EVENT"},
    {trigger_type::retry, "RETRY"},
    {trigger_type::replay, "REPLAY"},
}};

template <class Names, class Value>
std::string_view name_in(const Names& names, Value value)
{
    return names[static_cast<std::size_t>(value) - 1].second;
}

using enum execution_status;

// Spec §3: each edge once.
constexpr std::array<std::pair<execution_status, execution_status>, 19> transitions{{
    {pending, queued}, {queued, running}, {running, completing}, {completing, completed}, {running, queued},
    {pending, cancelled}, {queued, cancelled}, {running, cancelled}, {completing, cancelled},
    {pending, timeout}, {queued, timeout}, {running, timeout}, {completing, timeout},
    {pending, failed}, {queued, failed}, {running, failed}, {completing, failed},
    {pending, skipped}, {queued, skipped},
}};

}

std::string_view to_string(execution_status s)
{
    return name_in(status_names, s);
}

std::optional<execution_status> parse_execution_status(std::string_view text)
{
    for (const auto& [status, name] : status_names) {
        if (name == text) return status;
    }
    return std::nullopt;
}

bool may_follow(execution_status from, execution_status to)
{
    for (const auto& [a, b] : transitions) {
        if (a == from && b == to) return true;
    }
    return false;
}

std::string_view to_string(trigger_type t)
{
    return name_in(trigger_names, t);
}

std::optional<trigger_type> parse_trigger_type(std::string_view text)
{
    for (const auto& [type, name] : trigger_names) {
        if (name == text) return type;
    }
    return std::nullopt;
}

}
