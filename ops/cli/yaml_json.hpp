#pragma once

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

// Where YAML is wrong, and why. Lines and columns count from 1.
struct yaml_error {
    int line = 1;
    int column = 1;
    std::string message;
};

// One document of a file. `lines` has the line of every member, by the path that the server uses in its errors: "handler.command[0]".
struct yaml_document {
    boost::json::value value;
    int line = 1;
    std::map<std::string, int, std::less<>> lines{};

    // The line of `path`, or of the nearest thing around it that is there: a missing member is reported where it should have been.
    int line_of(std::string_view path) const;
};

// What a file may ask for. Aliases are copied, so a short file can describe a huge value ("a billion laughs").
struct yaml_limits {
    std::size_t depth = 100;                        // of nested maps and sequences, aliases followed
    std::size_t bytes = 64u << 20;                  // of the values, roughly, aliases followed
};

// Reads every document of `text` (UTF-8) with the scalars of YAML 1.2's core schema: null, booleans, integers (0o, 0x too) and floats
// where they are plain, text everywhere else; so `yes`, `on` and dates are text. Anchors, aliases and merge keys (<<) work. Refused, since
// JSON has no such thing: duplicate keys, keys that are not scalars, .inf and .nan, integers over 64 bits, tags other than the core ones.
// Documents with nothing in them are left out. Pure.
boost::system::result<std::vector<yaml_document>, yaml_error> parse_yaml(std::string_view text, const yaml_limits& limits = {});

struct scalar_error {
    std::string message;
};
// A plain scalar by the core schema, as parse_yaml reads it; text where it is none of its forms.
boost::system::result<boost::json::value, scalar_error> read_plain_scalar(std::string_view text);

}
