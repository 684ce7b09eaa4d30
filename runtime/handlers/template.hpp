#pragma once

#include "runtime/handlers/failure.hpp"

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// How a value is written into the text around its template.
enum class template_place {
    text,                                            // as it is: arguments, header values, strings
    url,                                             // percent-encoded, except where the template begins the text
};

// What the first word of a template may be, and what it then stands for.
struct template_root {
    std::string_view name;                           // parameters
    const boost::json::value& value;                 // outlives the call
    std::string_view misses;                         // of what it does not hold, for people: "the parameters of this execution have no"
    std::string_view remedy{};                       // "; give it"
};
using template_roots = std::vector<template_root>;

// Replaces every {{ parameters.a.b }} in `text` by that member of the root `parameters`: a string as it is, anything else as JSON; a number
// picks an item of an array, {{ parameters }} is the whole. Braces around anything else are left alone. Fails with
// INVALID_CONFIG where a template names nothing. Pure.
attempted<std::string> fill(std::string_view text, const template_roots& roots, template_place place = template_place::text);

// The same for every string in `value`. A string that is one template and nothing else takes the value with its type.
attempted<boost::json::value> fill(const boost::json::value& value, const template_roots& roots);

// The root that templates have everywhere.
template_root parameters_root(const boost::json::value& parameters);
// With that root alone.
attempted<std::string> fill(std::string_view text, const boost::json::value& parameters, template_place place = template_place::text);
attempted<boost::json::value> fill(const boost::json::value& value, const boost::json::value& parameters);

}
