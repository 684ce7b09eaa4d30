#include "api/signature.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace rowlock::api {

namespace {

constexpr std::string_view scheme = "sha256=";
constexpr std::size_t digest_size = 32;

error not_signed(std::string detail)
{
    return {errc::unauthenticated, std::move(detail)};
}

int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}

result<signed_message> read_signature(std::string_view signature_header, std::string_view timestamp_header)
{
    if (signature_header.empty() || timestamp_header.empty()) return not_signed("The request is not signed: it needs X-Rowlock-Signature and X-Rowlock-Timestamp.");
    signed_message message;
    const auto hex = signature_header.starts_with(scheme) ? signature_header.substr(scheme.size()) : std::string_view();
    for (std::size_t i = 0; i + 1 < hex.size() && hex.size() == 2 * digest_size; i += 2) {
        if (digit(hex[i]) < 0 || digit(hex[i + 1]) < 0) break;
        message.signature.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    }
    if (message.signature.size() != digest_size) return not_signed("X-Rowlock-Signature must be sha256= and 64 hexadecimal digits.");

    const bool digits = timestamp_header.size() <= 12 && std::all_of(timestamp_header.begin(), timestamp_header.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return not_signed("X-Rowlock-Timestamp must be a number of Unix seconds.");
    std::from_chars(timestamp_header.data(), timestamp_header.data() + timestamp_header.size(), message.timestamp);
    message.timestamp_text = timestamp_header;
    return message;
}

result<void> check_signature(const signed_message& message, std::string_view body, std::string_view secret, std::int64_t now)
{
    const auto text = fmt::format("{}.{}", message.timestamp_text, body);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    const auto* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
    if (made == nullptr || size != digest_size) return error{errc::internal, "The signature could not be computed."};
    if (CRYPTO_memcmp(digest, message.signature.data(), digest_size) != 0) return not_signed("The signature is not that of this body and timestamp with the secret that was given.");
    if (message.timestamp < now - signature_tolerance || message.timestamp > now + signature_tolerance) {
        return not_signed(fmt::format("X-Rowlock-Timestamp is {} and the server's clock says {}: they may differ by {} seconds.", message.timestamp, now, signature_tolerance));
    }
    return {};
}

}
