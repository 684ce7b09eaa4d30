#pragma once

#include "storage/model/job.hpp"
#include "storage/model/json_fields.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// The rooms of parse_job_definition: each reads one part of a definition and notes what is wrong with it.
namespace rowlock::definition {

inline constexpr milliseconds longest_duration = std::chrono::hours{24 * 366};

// None where it is missing or refused.
std::optional<handler_spec> read_handler(json_fields& definition);

// The policy in force: what the definition leaves out comes from `defaults`.
retry_policy read_retry_policy(json_fields& definition, const retry_policy& defaults);

// Refuses the members of the contract whose behaviour this version does not have, see later_parts.cpp. `place` is the object's name there.
void refuse_later_fields(json_fields& fields, std::string_view place);

// A choice some of whose values this version does not have yet.
std::optional<std::string> read_choice(json_fields& fields, std::string_view place, std::string_view name, std::span<const std::string_view> choices);

// Another rule's flat name for a member of `resources` or `retry_policy`, see lifted_fields.cpp.
boost::json::object with_lifted_fields(const boost::json::object& body, field_errors& errors);
bool has_lifted_fields(const boost::json::object& body);

}
