#include "tests/support/signed_report.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace rowlock::test {

namespace json = boost::json;

callback callback_of(const std::string& request_body)
{
    const auto body = json::parse(request_body);
    return {json::value_to<std::string>(body.at("callback_url")), json::value_to<std::string>(body.at("callback_secret"))};
}

std::int64_t unix_now()
{
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

http_fields signed_with(const std::string& secret, const std::string& body, std::int64_t timestamp)
{
    const auto text = fmt::format("{}.{}", timestamp, body);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
    return {{"X-Rowlock-Signature", "sha256=" + hex}, {"X-Rowlock-Timestamp", std::to_string(timestamp)}};
}

std::string path_of(const callback& to)
{
    return to.url.substr(to.url.find('/', 7));
}

http_reply report(const callback& to, const json::value& body, std::int64_t timestamp, const std::string& address)
{
    const auto text = json::serialize(body);
    const auto there = address.empty() ? to.url.substr(7, to.url.find('/', 7) - 7) : address;
    return http_request(there, "POST", path_of(to), text, signed_with(to.secret, text, timestamp));
}

}
