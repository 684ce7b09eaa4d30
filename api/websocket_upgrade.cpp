#include "api/websocket_upgrade.hpp"

#include "runtime/handlers/base64.hpp"

#include <openssl/sha.h>

namespace rowlock::api::websocket {

namespace {

constexpr std::string_view bearer_protocol = "rowlock.bearer.";
constexpr std::size_t key_bytes = 16;

std::string_view trimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The items of a header that is a list, over all lines of this name: the first that `wanted` takes.
template <class Predicate>
std::optional<std::string_view> find_item(const request& rq, std::string_view name, Predicate wanted)
{
    for (std::size_t line = 0; line < rq.header_count(name); ++line) {
        std::string_view rest = rq.header(name, line).value_or("");
        while (!rest.empty()) {
            const auto comma = std::min(rest.find(','), rest.size());
            const auto item = trimmed(rest.substr(0, comma));
            if (wanted(item)) return item;
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return std::nullopt;
}

bool lists(const request& rq, std::string_view name, std::string_view item)
{
    return find_item(rq, name, [item](std::string_view one) { return same_ignoring_case(one, item); }).has_value();
}

}

std::string accept_of(std::string_view key)
{
    // The GUID of RFC 6455 §1.3.
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
    return runtime::to_base64({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::optional<std::string_view> offered_token(const request& rq)
{
    const auto offered = find_item(rq, "Sec-WebSocket-Protocol", [](std::string_view one) { return one.starts_with(bearer_protocol); });
    if (!offered) return std::nullopt;
    return offered->substr(bearer_protocol.size());
}

result<upgrade> read_upgrade(const request& rq)
{
    const bool asks = rq.verb() == method::get && rq.version() == 11 && lists(rq, "Upgrade", "websocket") && lists(rq, "Connection", "upgrade");
    if (!asks) return error{errc::upgrade_required, "This path speaks WebSocket: connect with a WebSocket client, as in ws://HOST:PORT/v1/stream."};
    if (trimmed(rq.header("Sec-WebSocket-Version").value_or("")) != "13") {
        return error{errc::upgrade_required, "Sec-WebSocket-Version must be 13."};
    }
    const auto key = trimmed(rq.header("Sec-WebSocket-Key").value_or(""));
    const auto bytes = runtime::from_base64(key);
    if (!bytes || bytes->size() != key_bytes || rq.header_count("Sec-WebSocket-Key") != 1) {
        return error{errc::malformed_http, "Sec-WebSocket-Key must be 16 bytes in base64."};
    }
    upgrade agreed{accept_of(key)};
    // A browser breaks off unless one of the subprotocols that it has offered comes back.
    if (const auto token = offered_token(rq)) agreed.protocol.append(bearer_protocol).append(*token);
    return agreed;
}

void append_switching(std::string& out, const upgrade& agreed, std::string_view request_id)
{
    out.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ").append(agreed.accept).append("\r\n");
    if (!agreed.protocol.empty()) out.append("Sec-WebSocket-Protocol: ").append(agreed.protocol).append("\r\n");
    out.append("X-Request-Id: ").append(request_id).append("\r\n\r\n");
}

}
