#pragma once

#include "storage/model/error.hpp"

#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// Rowlock's own JSON text. Boost.JSON writes 0.5 as 5E-1 and reads 1e400 as infinity; people and other programs should see neither.

// Compact text. Doubles are the shortest text that reads back as the same double, in ordinary notation between 1e-7 and 1e15
// (0.5, 5.0, 120000.0), with an exponent beyond; a double stays recognisable as one. Infinities and NaN, which JSON does not have, are
// written as null. Strings must be UTF-8.
std::string to_text(const boost::json::value& v);
void append_text(std::string& out, const boost::json::value& v);
void append_text(std::string& out, const boost::json::object& o);

// The same on many lines, for people. No newline at the end.
std::string to_pretty_text(const boost::json::value& v, int indent = 2);

// Appends `text` as a JSON string with its quotes.
void append_string(std::string& out, std::string_view text);
void append_number(std::string& out, double number);

// Where the first U+0000 is, in a string or in a key, as a path like parameters.list[3].name ("" = the value itself). PostgreSQL can keep
// it in neither text nor jsonb, so every value that is to be stored is looked through.
std::optional<std::string> find_nul(const boost::json::value& v);
std::vector<std::string> find_every_nul(const boost::json::object& o, std::size_t at_most);

// The path of a member or an element below `parent`. A NUL inside a key is shown as \u0000, and a long key is cut.
std::string path_of(std::string_view parent, std::string_view key);
std::string path_of(std::string_view parent, std::size_t index);

struct json_limits {
    std::size_t max_depth = 64;      // of arrays and objects inside each other
};

// Strict JSON in strict UTF-8, the whole of `text`. Of a key that comes twice in an object the last one counts, as in PostgreSQL's jsonb.
// Doubles are rounded exactly. Error: malformed_json, which says what and at which line and column; an integer beyond 64 bits, which
// would lose digits, and a number beyond the range of a double are errors too. The value lives in `storage`.
result<boost::json::value> parse_json(std::string_view text, const json_limits& limits = {}, boost::json::storage_ptr storage = {});

}
