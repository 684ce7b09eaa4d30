#include "ops/cli/yaml_json.hpp"

#include <charconv>
#include <cstdint>

namespace rowlock::ops {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t count_digits(std::string_view text)
{
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    return n;
}

// [0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+, the first with a sign. Gives the digits and their base; base 0: not an integer.
struct integer_form {
    int base = 0;
    std::string_view digits{};
};

integer_form integer_in(std::string_view text)
{
    const bool octal = text.starts_with("0o");
    if ((octal || text.starts_with("0x")) && text.size() > 2) {
        const std::string_view allowed = octal ? "01234567" : "0123456789abcdefABCDEF";
        const std::string_view digits = text.substr(2);
        if (digits.find_first_not_of(allowed) != std::string_view::npos) return {};
        return {octal ? 8 : 16, digits};
    }
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (text.empty() || count_digits(text) != text.size()) return {};
    return {10, text};
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text)
{
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    const std::size_t whole = count_digits(text);
    text.remove_prefix(whole);
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        const std::size_t fraction = count_digits(text);
        if (whole == 0 && fraction == 0) return false;
        text.remove_prefix(fraction);
    } else if (whole == 0) {
        return false;
    }
    if (text.starts_with('e') || text.starts_with('E')) {
        text.remove_prefix(1);
        if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
        const std::size_t exponent = count_digits(text);
        if (exponent == 0) return false;
        text.remove_prefix(exponent);
    }
    return text.empty();
}

bool is_special_float(std::string_view text)
{
    if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return text == ".inf" || text == ".Inf" || text == ".INF";
}

}

boost::system::result<boost::json::value, scalar_error> read_plain_scalar(std::string_view text)
{
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return boost::json::value(nullptr);
    if (text == "true" || text == "True" || text == "TRUE") return boost::json::value(true);
    if (text == "false" || text == "False" || text == "FALSE") return boost::json::value(false);
    if (is_special_float(text)) return scalar_error{std::string{text} + " is no number that JSON can hold"};

    if (const integer_form form = integer_in(text); form.base != 0) {
        std::uint64_t magnitude = 0;
        const char* const end = form.digits.data() + form.digits.size();
        const auto [stop, failure] = std::from_chars(form.digits.data(), end, magnitude, form.base);
        const bool negative = text.starts_with('-');
        constexpr std::uint64_t lowest = std::uint64_t{1} << 63;
        if (failure != std::errc{} || stop != end || (negative && magnitude > lowest)) return scalar_error{std::string{text} + " does not fit into 64 bits"};
        if (negative) return boost::json::value(static_cast<std::int64_t>(~magnitude + 1));
        if (magnitude < lowest) return boost::json::value(static_cast<std::int64_t>(magnitude));
        return boost::json::value(magnitude);
    }
    if (is_float(text)) {
        const std::string_view unsigned_text = text.starts_with('+') ? text.substr(1) : text;
        double value = 0;
        const char* const end = unsigned_text.data() + unsigned_text.size();
        const auto [stop, failure] = std::from_chars(unsigned_text.data(), end, value);
        if (failure != std::errc{} || stop != end) return scalar_error{std::string{text} + " is out of the range of a number"};
        return boost::json::value(value);
    }
    return boost::json::value(text);
}

}
