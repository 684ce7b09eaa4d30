#include "storage/model/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value_stack.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace rowlock {

namespace json = boost::json;

namespace {

// Builds the value as Boost.JSON's own parser does, but reads doubles from their text: Boost 1.81 loses the last digit of long ones, and
// takes those that are too large for infinity.
struct value_builder {
    static constexpr std::size_t max_object_size = json::object::max_size();
    static constexpr std::size_t max_array_size = json::array::max_size();
    static constexpr std::size_t max_key_size = json::string::max_size();
    static constexpr std::size_t max_string_size = json::string::max_size();

    using code = boost::system::error_code;
    using view = json::string_view;

    value_builder(json::storage_ptr storage, unsigned char* buffer, std::size_t size) : stack(storage, buffer, size) { stack.reset(storage); }

    bool on_document_begin(code&) { return true; }
    bool on_document_end(code&) { return true; }
    bool on_object_begin(code&) { return true; }
    bool on_object_end(std::size_t n, code&) { stack.push_object(n); return true; }
    bool on_array_begin(code&) { return true; }
    bool on_array_end(std::size_t n, code&) { stack.push_array(n); return true; }
    bool on_key_part(view s, std::size_t, code&) { stack.push_chars(s); return true; }
    bool on_key(view s, std::size_t, code&) { stack.push_key(s); return true; }
    bool on_string_part(view s, std::size_t, code&) { stack.push_chars(s); return true; }
    bool on_string(view s, std::size_t, code&) { stack.push_string(s); return true; }
    bool on_number_part(view s, code&) { number.append(s.data(), s.size()); return true; }
    bool on_int64(std::int64_t i, view, code&) { number.clear(); stack.push_int64(i); return true; }
    bool on_uint64(std::uint64_t u, view, code&) { number.clear(); stack.push_uint64(u); return true; }
    bool on_bool(bool b, code&) { stack.push_bool(b); return true; }
    bool on_null(code&) { stack.push_null(); return true; }
    bool on_comment_part(view, code&) { return true; }
    bool on_comment(view, code&) { return true; }

    bool on_double(double approximate, view rest, code& ec)
    {
        number.append(rest.data(), rest.size());
        if (number.find_first_of(".eE") == std::string::npos) {
            // An integer beyond 64 bits: as a double it would lose digits, silently.
            ec = json::error::exponent_overflow;
            return false;
        }
        double exact = approximate;
        const auto read = std::from_chars(number.data(), number.data() + number.size(), exact);
        // Out of range is also what is too small to tell from zero, which is harmless.
        if (read.ec == std::errc::result_out_of_range && std::fabs(approximate) < 1) exact = std::signbit(approximate) ? -0.0 : 0.0;
        number.clear();
        if (!std::isfinite(exact) || (read.ec == std::errc::result_out_of_range && exact != 0)) {
            ec = json::error::exponent_overflow;
            return false;
        }
        stack.push_double(exact);
        return true;
    }

    json::value_stack stack;
    std::string number{};
};

std::string_view what_is_wrong(boost::system::error_code ec)
{
    if (ec == json::error::incomplete) return "it ends too early";
    if (ec == json::error::extra_data) return "there is more after its end";
    if (ec == json::error::too_deep) return "it is nested too deeply";
    if (ec == json::error::exponent_overflow) return "a number is out of range";
    if (ec == json::error::illegal_leading_surrogate || ec == json::error::illegal_trailing_surrogate) return "half of a surrogate pair is missing";
    if (ec == json::error::expected_hex_digit) return "an escape needs four hexadecimal digits";
    return "unexpected character";
}

bool is_utf8_trail(char c)
{
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

error malformed(std::string_view text, std::size_t at, boost::system::error_code ec, const json_limits& limits)
{
    at = std::min(at, text.size());
    const std::string_view before = text.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    // Columns count characters, as editors do.
    const auto column = 1 + std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start), before.end(), [](char c) { return !is_utf8_trail(c); });
    std::string_view what = what_is_wrong(ec);
    if (ec == json::error::syntax && at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) what = "this is not valid UTF-8 or not a JSON character";
    std::string detail = fmt::format("This is not JSON: {} at line {}, column {}.", what, line, column);
    if (ec == json::error::too_deep) detail += fmt::format(" At most {} levels are taken.", limits.max_depth);
    return {errc::malformed_json, std::move(detail)};
}

}

result<json::value> parse_json(std::string_view text, const json_limits& limits, json::storage_ptr storage)
{
    json::parse_options options;
    options.max_depth = limits.max_depth;
    unsigned char buffer[2048];      // spares the allocations of small documents
    json::basic_parser<value_builder> parser(options, std::move(storage), buffer, sizeof buffer);
    boost::system::error_code ec;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
    if (!ec && used < text.size()) ec = json::error::extra_data;
    if (ec) return malformed(text, used, ec, limits);
    return parser.handler().stack.release();
}

}
