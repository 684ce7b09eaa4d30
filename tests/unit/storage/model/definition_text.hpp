#pragma once

#include "storage/model/job.hpp"

#include <string>
#include <string_view>
#include <vector>

// Definitions as JSON text, read, for tests: what should be accepted fails the test with its errors where it is not, and the other way round.
namespace rowlock {

using names = std::vector<std::string>;

result<job_definition> parse(std::string_view text, std::string_view path_id = "j", const definition_defaults& defaults = {});
job_definition good(std::string_view text, std::string_view path_id = "j");
std::vector<field_error> errors_of(std::string_view text, std::string_view path_id = "j");
// The fields of these errors, in alphabetical order.
names fields_of(std::string_view text, std::string_view path_id = "j");

// A noop job with more members.
std::string noop_with(std::string_view members);
std::string with_handler(std::string_view handler);
// A member of the definition's document, as text.
std::string kept(const job_definition& definition, std::string_view member);

}
