#pragma once

#include "runtime/handlers/failure.hpp"

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// How a value is written into the text around its template.
enum class template_place {
    text,                                            // as it is: arguments, header values, strings
    url,                                             // percent-encoded, except where the template begins the text
};

// Replaces every {{ parameters.a.b }} in `text` by that member of `parameters`: a string as it is, anything else as JSON; a number
// picks an item of an array, {{ parameters }} is the whole. Braces around anything else are left alone. Fails with
// INVALID_CONFIG where a template names nothing. Pure.
attempted<std::string> fill(std::string_view text, const boost::json::value& parameters, template_place place = template_place::text);

// The same for every string in `value`. A string that is one template and nothing else takes the value with its type.
attempted<boost::json::value> fill(const boost::json::value& value, const boost::json::value& parameters);

}
