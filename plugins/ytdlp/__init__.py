"""Videos of web pages with a player, by yt-dlp: the package `unmask-ytdlp`, whose entry point
`unmask.pages` the library finds."""
