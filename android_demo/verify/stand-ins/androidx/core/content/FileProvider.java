// Stand-in: signatures of AndroidX Core without code. See LiteRt.kt.
package androidx.core.content;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.database.Cursor;
import android.net.Uri;
import java.io.File;
import org.jetbrains.annotations.NotNull;
import org.jetbrains.annotations.Nullable;

public class FileProvider extends ContentProvider {
    @NotNull
    public static Uri getUriForFile(
            @NotNull Context context, @NotNull String authority, @NotNull File file) {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean onCreate() {
        throw new UnsupportedOperationException();
    }

    @Override
    @NotNull
    public Cursor query(
            @NotNull Uri uri,
            @Nullable String[] projection,
            @Nullable String selection,
            @Nullable String[] selectionArguments,
            @Nullable String sortOrder) {
        throw new UnsupportedOperationException();
    }

    @Override
    @Nullable
    public String getType(@NotNull Uri uri) {
        throw new UnsupportedOperationException();
    }

    @Override
    @NotNull
    public Uri insert(@NotNull Uri uri, @NotNull ContentValues values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int delete(
            @NotNull Uri uri, @Nullable String selection, @Nullable String[] selectionArguments) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int update(
            @NotNull Uri uri,
            @NotNull ContentValues values,
            @Nullable String selection,
            @Nullable String[] selectionArguments) {
        throw new UnsupportedOperationException();
    }
}
