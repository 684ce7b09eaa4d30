#include "storage/model/ids.hpp"

#include <cstring>
#include <openssl/rand.h>
#include <stdexcept>

namespace rowlock {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr bool dash_before(std::size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

}

std::optional<uuid> uuid::parse(std::string_view text)
{
    if (text.size() != 36) return std::nullopt;
    uuid id;
    std::size_t at = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        if (dash_before(i) && text[at++] != '-') return std::nullopt;
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        id.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
        at += 2;
    }
    return id;
}

char* uuid::write(char* out) const
{
    for (std::size_t i = 0; i < 16; ++i) {
        if (dash_before(i)) *out++ = '-';
        *out++ = hex_digits[bytes[i] >> 4];
        *out++ = hex_digits[bytes[i] & 15];
    }
    return out;
}

std::string uuid::str() const
{
    std::string text(36, '\0');
    write(text.data());
    return text;
}

uuid random_uuid()
{
    uuid id;
    if (RAND_bytes(id.bytes.data(), static_cast<int>(id.bytes.size())) != 1) throw std::runtime_error("the system has no random bytes");
    id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

execution_id execution_id::make(std::uint64_t milliseconds, std::uint64_t block, std::uint32_t ordinal)
{
    const std::uint64_t high = (milliseconds << 16) | 0x7000 | ((block >> 42) & 0xfff);
    const std::uint64_t low = 0x8000000000000000ull | ((block & 0x3ffffffffffull) << 20) | (ordinal & max_ordinal);
    execution_id id;
    for (std::size_t i = 0; i < 8; ++i) {
        id.value.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
        id.value.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
    }
    return id;
}

std::optional<execution_id> execution_id::parse(std::string_view text)
{
    const auto id = uuid::parse(text);
    if (!id) return std::nullopt;
    return execution_id{*id};
}

std::uint64_t execution_id::milliseconds() const
{
    std::uint64_t ms = 0;
    for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | value.bytes[i];
    return ms;
}

std::uint32_t execution_id::ordinal() const
{
    const auto& b = value.bytes;
    return (static_cast<std::uint32_t>(b[13] & 15) << 16) | (static_cast<std::uint32_t>(b[14]) << 8) | b[15];
}

execution_id execution_id::with_ordinal(std::uint32_t ordinal) const
{
    execution_id id = *this;
    id.value.bytes[13] = static_cast<std::uint8_t>((id.value.bytes[13] & 0xf0) | ((ordinal >> 16) & 15));
    id.value.bytes[14] = static_cast<std::uint8_t>(ordinal >> 8);
    id.value.bytes[15] = static_cast<std::uint8_t>(ordinal);
    return id;
}

bool is_slug(std::string_view text)
{
    if (text.empty() || text.size() > 128) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
    }
    return true;
}

}

std::size_t std::hash<rowlock::uuid>::operator()(const rowlock::uuid& id) const noexcept
{
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, id.bytes.data(), 8);
    std::memcpy(&low, id.bytes.data() + 8, 8);
    return static_cast<std::size_t>((high * 0x9e3779b97f4a7c15ull) ^ (low * 0xc2b2ae3d27d4eb4full));
}
