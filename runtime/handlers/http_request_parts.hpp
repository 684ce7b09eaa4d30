#pragma once

#include "runtime/handlers/http_request.hpp"
#include "runtime/handlers/template.hpp"

#include <map>
#include <string_view>

// What all requests of an attempt have in common. For http_request.cpp and http_further_request.cpp.
namespace rowlock::runtime::request_parts {

// Fails with INVALID_CONFIG.
attempted<boost::json::value> parameters_of(const assignment& work);

// What templates call `execution`: execution_id, run_id, job_id, attempt_number.
boost::json::object execution_of(const assignment& work);
template_root execution_root(const boost::json::value& execution);

// An address that templates are part of. Fails with INVALID_CONFIG.
attempted<url> written_address(std::string_view text, const template_roots& roots);

attempted<http_headers> filled_headers(const std::map<std::string, std::string>& headers, const template_roots& roots);

// The body of a definition: a string is the body itself, whatever its type; anything else is sent as JSON.
attempted<void> add_body(http_request& rq, const boost::json::value& body, const template_roots& roots);
void add_json_body(http_request& rq, const boost::json::object& body);

void set_default(http_headers& headers, std::string_view name, std::string value);

// What every request says of its attempt, wherever it goes. A request that does something has a key by which its repeats are known;
// one that only asks has none, "".
void add_own_headers(http_headers& headers, const assignment& work, std::string idempotency_key);

bool is_token(std::string_view text);

// May what the definition's headers hold be told to `to`? The same origin; or the same host with plain http exchanged for https, each on its usual port.
bool keeps_secrets(const url& from, const url& to);
// Leaves out the definition's headers but those that say nothing that another origin should not know.
void drop_secrets(http_headers& headers, const std::map<std::string, std::string>& of_definition);

}
