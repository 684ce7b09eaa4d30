#include "api/idempotency_key.hpp"

#include "api/query.hpp"
#include "api/submission_body.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

// A header may hold any bytes. Those that are no UTF-8 are shown as what they are in Latin-1, which headers were once written in.
std::string as_utf8(std::string_view bytes)
{
    if (is_utf8(bytes)) return std::string(bytes);
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | (byte >> 6));
            out += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    return out;
}

}

std::string_view header_key(const request& rq, field_errors& errors)
{
    const auto key = rq.header("Idempotency-Key");
    if (!key) return {};
    const auto text = as_utf8(*key);
    const boost::json::value shown(boost::json::string_view(text.data(), text.size()));
    if (const auto why = refusal_of_key(*key); !why.empty()) errors.add("Idempotency-Key", &shown, std::string(why));
    if (rq.header_count("Idempotency-Key") > 1) errors.add("Idempotency-Key", &shown, "may be given only once");
    return *key;
}

std::string_view agreed_key(const request& rq, std::string_view in_body, field_errors& errors)
{
    const auto key = header_key(rq, errors);
    if (key.empty() || in_body.empty()) return key.empty() ? in_body : key;
    if (key != in_body) {
        const boost::json::value shown(boost::json::string_view(in_body.data(), in_body.size()));
        errors.add("idempotency_key", &shown, fmt::format("differs from the header Idempotency-Key, which is {}", key));
    }
    return key;
}

}
